// What `npm start` and `npm test` decide by: whether packages are installed, inputs have changed, the machine will do.
import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fingerprintInputs } from '../../setup/fingerprint.mjs';
import { isInstalled } from '../../setup/installed.mjs';
import { checkCompiler, checkNode } from '../../setup/prerequisites.mjs';
import { plantFiles, plantProjects } from './planted-tree.js';

test.each([
  ['20.20.0', null],
  ['20.20.2', null],
  ['24.1.0', null],
  ['100.0.0', null],
  ['20.9.1', 'Switchyard needs Node 20.20 or newer; this is Node 20.9.1.'],
  ['8.17.0', 'Switchyard needs Node 20.20 or newer; this is Node 8.17.0.'],
])('Node %s', (version, answer) => {
  expect(checkNode(version, '>=20.20')).toBe(answer);
});

test('a machine without compiler gets one sentence, CXX counts', () => {
  const root = plantFiles({ 'bin/my-cxx': '' });
  expect(checkCompiler({ PATH: join(root, 'bin') })).toMatch(/^Switchyard needs a C\+\+20 compiler, .*g\+\+.*\.$/);
  expect(checkCompiler({ PATH: join(root, 'bin'), CXX: 'my-cxx' })).toBeNull();
  expect(checkCompiler({ PATH: '', CXX: join(root, 'bin/my-cxx') })).toBeNull();
});

test('the fingerprint follows sources and nothing else', () => {
  const root = plantProjects({ 'libs/base': { layer: 'base', files: { 'src/index.ts': '' } } });
  const before = fingerprintInputs(root);
  for (const path of ['libs/base/dist/index.js', 'libs/base/test/base.test.ts', 'README.md']) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), 'x');
  }
  expect(fingerprintInputs(root)).toBe(before);
  utimesSync(join(root, 'libs/base/src/index.ts'), 1, 1);
  const touched = fingerprintInputs(root);
  expect(touched).not.toBe(before);
  writeFileSync(join(root, 'libs/base/src/added.ts'), '');
  expect(fingerprintInputs(root)).not.toBe(touched);
});

test('an install counts only when it is whole and matches the lockfile', () => {
  const packages = {
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/for-another-platform': { version: '1.0.0', optional: true },
  };
  const root = plantFiles({
    'package.json': '{}',
    'package-lock.json': JSON.stringify({ packages }),
    'node_modules/a/package.json': '{"version":"1.0.0"}',
  });
  expect(isInstalled(root), 'cut short: npm has not written its own record').toBe(false);
  writeFileSync(join(root, 'node_modules/.package-lock.json'), '{}');
  expect(isInstalled(root)).toBe(true);
  writeFileSync(join(root, 'node_modules/a/package.json'), '{"version":"0.9.0"}');
  expect(isInstalled(root), 'another version').toBe(false);
  rmSync(join(root, 'node_modules/a'), { recursive: true });
  expect(isInstalled(root), 'missing').toBe(false);
});
