// Every TypeScript project has the same entries and the same nx targets, so that knowing one is knowing all.
// The addon (layer native) and the system tests (layer test) have a shape of their own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from './finding.js';
import type { CheckedProject, SourceTree } from './source-tree.js';

const entries = ['tsconfig.json', 'tsconfig.test.json', 'src', 'test'];
const targets = ['build', 'typecheck', 'lint', 'test'];
const ownShape = new Set(['native', 'test']);

export function checkProjectShape(tree: SourceTree): Finding[] {
  return tree.projects
    .filter((project) => !ownShape.has(project.layer))
    .flatMap((project) => [...missingEntries(tree.root, project), ...missingTargets(project)]);
}

function missingEntries(root: string, project: CheckedProject): Finding[] {
  return entries
    .filter((entry) => !existsSync(join(root, project.dir, entry)))
    .map((entry) => ({ where: project.dir, what: `has no ${entry}` }));
}

function missingTargets(project: CheckedProject): Finding[] {
  return targets
    .filter((target) => !project.scripts[target])
    .map((target) => ({ where: `${project.dir}/package.json`, what: `has no script '${target}'` }));
}
