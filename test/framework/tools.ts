// Programs that a test needs and npm does not bring. A test without its tool is skipped with "needs: NAME", the form that the
// test runner's summary and .ci/run look for.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'vitest';

/** Path of a program, or undefined when PATH has none of that name. */
export function findTool(name: string): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Path of a program; skips the test when there is none. */
export function needTool(context: TestContext, name: string): string {
  const path = findTool(name);
  if (path === undefined) return context.skip(`needs: ${name}`);
  return path;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
