// The repository as the rules see it: projects with their layer, and every TypeScript file of theirs, parsed once.
// Called by verify.ts and by the tests, which plant a tree of their own. Generated code and outputs are left out.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listProjects, type Project } from '../../setup/workspaces.mjs';
import { type ModuleFacts, readModuleFacts } from './module-facts.js';

export interface SourceFile extends ModuleFacts {
  /** Relative to the root, e.g. 'libs/base/src/assert.ts'. */
  path: string;
}

export interface CheckedProject extends Project {
  /** From the nx tag 'layer:X'; empty when there is none. */
  layer: string;
  files: SourceFile[];
}

export interface SourceTree {
  /** Absolute path. */
  root: string;
  projects: CheckedProject[];
}

const skippedFolders = new Set(['node_modules', 'dist', 'build', 'gen', 'fixtures']);

/** Throws an Error that names the file when one does not parse. */
export function readSourceTree(root: string): SourceTree {
  const projects = listProjects(root).map((project) => ({
    ...project,
    layer: project.tags.find((tag) => tag.startsWith('layer:'))?.slice('layer:'.length) ?? '',
    files: listFiles(root, project.dir, ['.ts']).map((path) => readFile(root, path)),
  }));
  return { root, projects };
}

function readFile(root: string, path: string): SourceFile {
  return { path, ...readModuleFacts(path, readFileSync(join(root, path), 'utf8')) };
}

/** Files below `dir` with one of the endings, relative to `root`, sorted; empty when there is no such folder. */
export function listFiles(root: string, dir: string, endings: readonly string[]): string[] {
  if (!existsSync(join(root, dir))) return [];
  const entries = readdirSync(join(root, dir), { withFileTypes: true });
  return entries
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return skippedFolders.has(entry.name) ? [] : listFiles(root, path, endings);
      return endings.some((ending) => entry.name.endsWith(ending)) ? [path] : [];
    })
    .sort();
}
