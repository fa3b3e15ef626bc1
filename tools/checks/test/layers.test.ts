// Each rule of layers.ts finds its planted violation, at its place, and leaves the allowed neighbour alone.
import { expect, test } from 'vitest';
import { checkLayers } from '../src/layers.js';
import { readSourceTree } from '../src/source-tree.js';
import { plantProjects } from './planted-tree.js';

const base = { layer: 'base', files: { 'src/index.ts': 'export const one = 1;\n' } };

test('an allowed dependency and a declared import are no finding', () => {
  const root = plantProjects({
    'libs/base': base,
    'libs/model': {
      layer: 'domain',
      dependencies: ['@switchyard/base'],
      files: { 'src/index.ts': "export { one } from '@switchyard/base';\nexport * from './spec.js';\n" },
    },
  });
  expect(checkLayers(readSourceTree(root))).toEqual([]);
});

test.each([
  ['domain', 'platform'],
  ['base', 'domain'],
  ['platform', 'app'],
  ['app', 'app'],
  ['app', 'native'],
  ['tool', 'app'],
])('layer %s must not depend on layer %s', (from, to) => {
  const root = plantProjects({
    'libs/upper': { layer: to, files: {} },
    'libs/lower': { layer: from, dependencies: ['@switchyard/upper'], files: {} },
  });
  expect(checkLayers(readSourceTree(root))).toEqual([
    { where: 'libs/lower/package.json', what: `layer ${from} must not depend on @switchyard/upper (layer ${to})` },
  ]);
});

test.each([
  ["import type { X } from '@switchyard/base';", "'@switchyard/base' is not among the dependencies"],
  ["export * from '@switchyard/base/part';", "'@switchyard/base' is not among the dependencies"],
  ["const x = await import('zod');", "'zod' is not among the dependencies"],
  ["import { one } from '../../base/src/index.js';", "'../../base/src/index.js' leaves the project"],
  ["const path = '../build/switchyard.node';", "'../build/switchyard.node': only libs/native loads the addon"],
])('finds %s', (line, what) => {
  const root = plantProjects({
    'libs/base': base,
    'libs/model': { layer: 'domain', files: { 'src/index.ts': `// first\n${line}\n` } },
  });
  const findings = checkLayers(readSourceTree(root));
  expect(findings).toHaveLength(1);
  expect(findings[0]).toEqual({ where: 'libs/model/src/index.ts:2', what: expect.stringContaining(what) });
});

test('an app imports the test kit in its tests alone', () => {
  const line = "import { within } from '@switchyard/testkit';\n";
  const root = plantProjects({
    'libs/testkit': { layer: 'testkit', files: {} },
    'apps/router': {
      layer: 'app',
      dependencies: ['@switchyard/testkit'],
      files: { 'src/main.ts': line, 'test/main.test.ts': line },
    },
  });
  expect(checkLayers(readSourceTree(root))).toEqual([
    { where: 'apps/router/src/main.ts:1', what: "'@switchyard/testkit' is for tests" },
  ]);
});

test('a comment or a string that looks like an import is none', () => {
  const text = `// import 'zod';\nexport const text = "import x from 'zod'";\n`;
  const root = plantProjects({ 'libs/base': { layer: 'base', files: { 'src/index.ts': text } } });
  expect(checkLayers(readSourceTree(root))).toEqual([]);
});

test('an unknown layer is named with the known ones', () => {
  const root = plantProjects({ 'libs/base': { layer: 'cellar', files: {} } });
  expect(checkLayers(readSourceTree(root))[0]?.what).toMatch(/unknown layer 'cellar'.*domain/);
});
