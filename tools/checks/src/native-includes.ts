// Who may include whom in the C++ part: base <- kernels, base <- xccl, executor joins them, addon sits on top and is the
// only one to see N-API. Unit tests (*_test.cc), their support (test_*.h) and fuzz targets (fuzz_*) follow the rule of their folder, and
// may include the test registry or the fuzz input. The order inside xccl is xccl-parts.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './finding.js';
import { listFiles } from './source-tree.js';
import { judgeXcclInclude, readXcclParts, type XcclParts } from './xccl-parts.js';

const allowedFolders: Record<string, readonly string[]> = {
  base: ['base'],
  kernels: ['base', 'kernels'],
  xccl: ['base', 'xccl'],
  executor: ['base', 'kernels', 'xccl', 'executor'],
  addon: ['base', 'kernels', 'xccl', 'executor', 'addon'],
  test: ['base', 'kernels', 'xccl', 'executor', 'test'],
};

const napiHeader = /^(napi|napi-inl|node_api|node_api_types|js_native_api|js_native_api_types)\.h$/;

/** `root` is the repository's absolute path; native/ lies below it. */
export function checkNativeIncludes(root: string): Finding[] {
  const xcclParts = readXcclParts(root);
  return listFiles(root, 'native', ['.h', '.cc']).flatMap((path) => checkFile(root, path, xcclParts));
}

function checkFile(root: string, path: string, xcclParts: XcclParts): Finding[] {
  const lines = readFileSync(join(root, path), 'utf8').split('\n');
  return lines.flatMap((text, lineIdx) => {
    const included = text.match(/^\s*#\s*include\s*["<]([^">]+)[">]/)?.[1];
    const what =
      included === undefined
        ? undefined
        : (judge(path, included, text.includes('"')) ?? judgeInsideXccl(path, included, xcclParts));
    return what === undefined ? [] : [{ where: `${path}:${lineIdx + 1}`, what }];
  });
}

function judge(path: string, included: string, isQuoted: boolean): string | undefined {
  const folder = path.split('/')[1] ?? '';
  const allowed = allowedFolders[folder];
  if (!allowed) return `unknown folder native/${folder}; known: ${Object.keys(allowedFolders).join(', ')}`;
  if (napiHeader.test(included)) return folder === 'addon' ? undefined : `${included} belongs in native/addon only`;
  if (!isQuoted) return undefined;
  const target = included.split('/')[0] ?? '';
  if (!(target in allowedFolders)) return `'${included}' must be written from native/, e.g. "base/status.h"`;
  const isTestRegistry = included === 'test/test.h' && /(_test\.cc|\/test_\w+\.h)$/.test(path);
  const isFuzzInput = included === 'test/fuzz_input.h' && /\/fuzz_\w+\.(cc|h)$/.test(path);
  return allowed.includes(target) || isTestRegistry || isFuzzInput
    ? undefined
    : `${folder} must not include ${target} ('${included}')`;
}

function judgeInsideXccl(path: string, included: string, parts: XcclParts): string | undefined {
  if (!path.startsWith('native/xccl/') || !included.startsWith('xccl/')) return undefined;
  return judgeXcclInclude(path.slice('native/xccl/'.length), included.slice('xccl/'.length), parts);
}
