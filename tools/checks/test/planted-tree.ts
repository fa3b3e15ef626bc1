// A small repository in a temporary folder, for rules that are to find a planted violation. Removed when the test ends.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';

/** Writes the files (path relative to the root -> text) and returns the root's absolute path. */
export function plantFiles(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'switchyard-checks-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

interface PlantedProject {
  layer: string;
  dependencies?: string[];
  /** Path relative to the project -> text. */
  files: Record<string, string>;
}

/** Plants projects by their folder, e.g. 'libs/model'; the package is then '@switchyard/model'. */
export function plantProjects(projects: Record<string, PlantedProject>): string {
  const files: Record<string, string> = { 'package.json': JSON.stringify({ workspaces: Object.keys(projects) }) };
  for (const [dir, project] of Object.entries(projects)) {
    files[`${dir}/package.json`] = JSON.stringify({
      name: `@switchyard/${dir.split('/').at(-1)}`,
      dependencies: Object.fromEntries((project.dependencies ?? []).map((name) => [name, '0.1.0'])),
      nx: { tags: [`layer:${project.layer}`] },
    });
    for (const [path, text] of Object.entries(project.files)) files[`${dir}/${path}`] = text;
  }
  return plantFiles(files);
}
