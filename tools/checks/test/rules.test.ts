// The rules on domain code, on the shape of projects, on dead files and on C++ includes find what is planted.
import { expect, test } from 'vitest';
import { checkDeadFiles } from '../src/dead-files.js';
import { checkNativeIncludes } from '../src/native-includes.js';
import { checkProjectShape } from '../src/project-shape.js';
import { checkPurity } from '../src/purity.js';
import { readSourceTree } from '../src/source-tree.js';
import { plantFiles, plantProjects } from './planted-tree.js';

test.each([
  ['const now = Date.now();', 'Date'],
  ['const roll = Math.random();', 'Math.random'],
  ['const name = process.env.NAME;', 'process'],
  ['setTimeout(() => {}, 1);', 'setTimeout'],
  ["import { readFileSync } from 'node:fs';", 'node:fs'],
])('domain code must not contain %s', (line, name) => {
  const root = plantProjects({ 'libs/model': { layer: 'domain', files: { 'src/index.ts': `\n${line}\n` } } });
  const findings = checkPurity(readSourceTree(root));
  expect(findings).toHaveLength(1);
  expect(findings[0]).toEqual({ where: 'libs/model/src/index.ts:2', what: expect.stringContaining(name) });
});

test('purity leaves members, comments, tests and other layers alone', () => {
  const impure = 'export const now = Date.now();\n';
  const root = plantProjects({
    'libs/model': {
      layer: 'domain',
      files: {
        'src/index.ts': '// Date.now()\nexport const f = (job: { process: number }) => Math.max(job.process, 1);\n',
        'test/model.test.ts': impure,
      },
    },
    'libs/kit': { layer: 'platform', files: { 'src/index.ts': impure } },
  });
  expect(checkPurity(readSourceTree(root))).toEqual([]);
});

test('a project without an entry or a target is named', () => {
  const root = plantProjects({
    'libs/model': { layer: 'domain', files: { 'src/index.ts': '', 'tsconfig.json': '{}' } },
  });
  expect(checkProjectShape(readSourceTree(root)).map(({ what }) => what)).toEqual([
    'has no tsconfig.test.json',
    'has no test',
    "has no script 'build'",
    "has no script 'typecheck'",
    "has no script 'lint'",
    "has no script 'test'",
  ]);
});

test('a file that only a test imports is dead; one that a worker URL names is not', () => {
  const root = plantProjects({
    'libs/kit': {
      layer: 'platform',
      files: {
        'src/index.ts': "export * from './used.js';\nexport const url = new URL('./worker.js', import.meta.url);\n",
        'src/used.ts': '',
        'src/worker.ts': '',
        'src/dead.ts': '',
        'test/dead.test.ts': "import '../src/dead.js';\n",
      },
    },
  });
  expect(checkDeadFiles(readSourceTree(root)).map(({ where }) => where)).toEqual(['libs/kit/src/dead.ts']);
});

test.each([
  ['kernels/gemm/gemm.cc', '#include "xccl/api.h"', 'kernels must not include xccl'],
  ['base/status.h', '#include "kernels/gemm/gemm.h"', 'base must not include kernels'],
  ['executor/loop.cc', '#include "addon/napi_util.h"', 'executor must not include addon'],
  ['executor/loop.cc', '#include <napi.h>', 'napi.h belongs in native/addon only'],
  ['executor/loop.cc', '#include "test/test.h"', 'executor must not include test'],
  ['executor/loop.cc', '#include "loop.h"', 'must be written from native/'],
  ['cellar/wine.cc', '#include "base/status.h"', 'unknown folder native/cellar'],
])('native/%s: %s', (path, include, what) => {
  const root = plantFiles({ [`native/${path}`]: `#pragma once\n${include}\n` });
  expect(checkNativeIncludes(root)).toEqual([{ where: `native/${path}:2`, what: expect.stringContaining(what) }]);
});

test('includes downwards, of the system and of the test registry are allowed', () => {
  const root = plantFiles({
    'native/executor/loop_test.cc': '#include <vector>\n#include "kernels/gemm/gemm.h"\n#include "test/test.h"\n',
    'native/xccl/test_support.h': '#include "test/test.h"\n',
    'native/addon/addon.cc': '#include <napi.h>\n#include "executor/loop.h"\n',
  });
  expect(checkNativeIncludes(root)).toEqual([]);
});

const xcclTable = `text\n
| folder | what | may include |
| --- | --- | --- |
| \`types.h\` | values | base |
| \`api.h\`, \`group.h\` | surface | \`types.h\` |
| \`layout/\` | offsets | \`types.h\` |
| \`wait/\` | waits | \`layout/\` |
| \`communicator.cc\` | joins them | all |

| \`layout/\` | another table | \`wait/\` |
`;

test.each([
  ['layout/ring.h', 'wait/doorbell.h', "xccl's layout/ must not include wait/"],
  ['types.h', 'api.h', "xccl's types.h must not include api.h"],
  ['wait/doorbell.cc', 'group.h', "xccl's wait/ must not include group.h"],
  ['cellar/wine.cc', 'types.h', "'cellar/' is not in the table of docs/xccl.md"],
  ['layout/ring.h', 'cellar/wine.h', "'cellar/' is not in the table"],
])('native/xccl/%s must not include %s', (path, included, what) => {
  const root = plantFiles({
    'docs/xccl.md': xcclTable,
    [`native/xccl/${path}`]: `#include "base/status.h"\n#include "xccl/${included}"\n`,
  });
  expect(checkNativeIncludes(root)).toEqual([{ where: `native/xccl/${path}:2`, what: expect.stringContaining(what) }]);
});

test('inside xccl, includes down the table, of tests and of benches are allowed', () => {
  const root = plantFiles({
    'docs/xccl.md': xcclTable,
    'native/xccl/wait/doorbell.cc': '#include "xccl/wait/doorbell.h"\n#include "xccl/types.h"\n',
    'native/xccl/communicator.cc': '#include "xccl/group.h"\n#include "xccl/wait/doorbell.h"\n',
    'native/xccl/layout/layout_test.cc': '#include "xccl/wait/doorbell.h"\n',
    'native/xccl/test_support.h': '#include "xccl/api.h"\n',
    'native/xccl/wait/test_ends.h': '#include "xccl/test_support.h"\n',
    'native/xccl/bench/harness.h': '#include "xccl/test_support.h"\n',
    'native/executor/loop.cc': '#include "xccl/wait/doorbell.h"\n',
  });
  expect(checkNativeIncludes(root)).toEqual([]);
});

test('without its table in the document, xccl has no allowed include of its own', () => {
  const root = plantFiles({ 'native/xccl/wait/doorbell.cc': '#include "xccl/layout/ring.h"\n' });
  expect(checkNativeIncludes(root)).toHaveLength(1);
});
