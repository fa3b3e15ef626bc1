// Who may include whom inside native/xccl. The rule is the table "folder | what | may include" of docs/xccl.md, which readers see
// too: it is read from there, and a part that is not in it is a finding. A part may include what its row names, what those
// may include, and base. Tests, their support, benches, soak and fuzz targets may include all of xccl.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const xcclTablePath = 'docs/xccl.md';
const header = /^\|\s*folder\s*\|\s*what\s*\|\s*may include\s*\|/;
const anything = 'all';

/** Part -> the parts that its files may include, itself among them. Empty when the document or its table is missing. */
export type XcclParts = ReadonlyMap<string, ReadonlySet<string>>;

/** `root` is the repository's absolute path. */
export function readXcclParts(root: string): XcclParts {
  const rows = existsSync(join(root, xcclTablePath)) ? readRows(readFileSync(join(root, xcclTablePath), 'utf8')) : [];
  const direct = new Map(rows);
  return new Map(rows.map(([part]) => [part, closureOf(part, direct)]));
}

/** What is wrong with an include between two files of xccl, both relative to native/xccl; undefined when nothing is. */
export function judgeXcclInclude(path: string, included: string, parts: XcclParts): string | undefined {
  if (/_test\.cc$|(^|_)support\.h$|^(bench|soak|fuzz)\//.test(path)) return undefined;
  const unknown = [path, included].map(partOf).find((part) => !parts.has(part));
  if (unknown !== undefined) return `'${unknown}' is not in the table of ${xcclTablePath}`;
  const from = partOf(path);
  const allowed = parts.get(from);
  return allowed?.has(partOf(included)) || allowed?.has(anything)
    ? undefined
    : `xccl's ${from} must not include ${partOf(included)} ('xccl/${included}'; ${xcclTablePath})`;
}

/** 'layout/' for a file in a folder; a file at the top is a part of its own. */
function partOf(path: string): string {
  return path.includes('/') ? `${path.split('/')[0]}/` : path;
}

function readRows(text: string): [string, string[]][] {
  const lines = text.split('\n');
  const headerIdx = lines.findIndex((line) => header.test(line));
  if (headerIdx < 0) return [];
  const table = lines.slice(headerIdx + 2);
  const end = table.findIndex((line) => !line.startsWith('|'));
  return table.slice(0, end < 0 ? table.length : end).flatMap(readRow);
}

/** A row may stand for several files: `api.h`, `group.h`. */
function readRow(line: string): [string, string[]][] {
  const cells = line.split('|').map((cell) => cell.trim());
  const included = namesIn(cells[3] ?? '');
  return namesIn(cells[1] ?? '').map((part) => [part, included]);
}

function namesIn(cell: string): string[] {
  return cell
    .split(',')
    .map((name) => name.replaceAll('`', '').trim())
    .filter((name) => name !== '' && name !== 'base');
}

function closureOf(part: string, direct: ReadonlyMap<string, readonly string[]>): Set<string> {
  const closure = new Set([part]);
  for (const reached of closure) for (const next of direct.get(reached) ?? []) closure.add(next);
  return closure;
}
