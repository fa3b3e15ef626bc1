// The counts behind the closing line: a real vitest run with the repository's own configuration, and their sum.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { addCounts, forbiddenSkips, formatCounts, readCounts } from '../../test/counts.mjs';
import { plantFiles } from './planted-tree.js';

const repository = join(import.meta.dirname, '../../..');

function runVitest(files: Record<string, string>): { status: number | null; root: string } {
  const root = plantFiles(files);
  const args = ['run', '--globals', '--config', join(repository, 'vitest.config.ts')];
  const vitest = join(repository, 'node_modules/.bin/vitest');
  return { status: spawnSync(vitest, args, { cwd: root, timeout: 60_000 }).status, root };
}

test('passed, failed and skipped tests and an unloadable file are counted', () => {
  const { status, root } = runVitest({
    'a.test.ts': `test('good', () => {});
      test('bad', () => { throw new Error('planted'); });
      test('unable', (context) => context.skip('needs: grpcurl'));
      test.skip('silent', () => {});`,
    'b.test.ts': "import './missing.js';",
    'dist/a.test.ts': "test('an output is no test', () => { throw new Error('planted'); });",
  });
  expect(status).toBe(1);
  expect(readCounts(root, '.')).toEqual({
    counts: {
      passed: 1,
      failed: 2,
      skipped: 2,
      skips: [
        { test: 'unable', reason: 'needs: grpcurl' },
        { test: 'silent', reason: '' },
      ],
    },
    problems: [],
  });
});

test('a project without test files has counts of zero', () => {
  const { status, root } = runVitest({ 'a.ts': '' });
  expect(status).toBe(0);
  expect(readCounts(root, '.')).toEqual({ counts: { passed: 0, failed: 0, skipped: 0, skips: [] }, problems: [] });
});

test('a project whose counts are missing, or empty in spite of test files, is a problem', () => {
  const root = plantFiles({
    'libs/a/package.json': '{}',
    'libs/b/test/b.test.ts': '',
    'libs/b/.vitest-results/counts.json': '{"passed":0,"failed":0,"skipped":0,"skips":[]}',
  });
  expect(readCounts(root, 'libs/a').problems).toEqual([expect.stringContaining('left no')]);
  expect(readCounts(root, 'libs/b').problems).toEqual([expect.stringContaining('no test ran')]);
});

test('the closing line names skipped tests only when there are some', () => {
  const one = { passed: 3, failed: 1, skipped: 0, skips: [] };
  const two = { passed: 2, failed: 0, skipped: 1, skips: [{ test: 't', reason: 'needs: instruction set avx512' }] };
  expect(formatCounts(one)).toBe('3 passed, 1 failed');
  expect(formatCounts(addCounts([one, two]))).toBe('5 passed, 1 failed, 1 skipped');
});

test('only a missing instruction set excuses a skip on a fully equipped machine', () => {
  const skips = ['needs: instruction set avx512', 'needs: grpcurl', ''].map((reason) => ({ test: 't', reason }));
  const forbidden = forbiddenSkips({ passed: 0, failed: 0, skipped: 3, skips });
  expect(forbidden.map(({ reason }) => reason)).toEqual(['needs: grpcurl', '']);
});
