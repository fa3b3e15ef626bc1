// Tells in a few milliseconds whether anything that a build reads has changed since the last one. Called by ensure.mjs.
// It looks at path, size and time only, so a touched file costs one cached nx run, never a stale build.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listProjects } from './workspaces.mjs';

const rootInputs = [
  'protos',
  'buf.yaml',
  'buf.gen.yaml',
  'nx.json',
  'package-lock.json',
  'tsconfig.base.json',
  'tools/bundle',
];
const projectInputs = ['src', 'package.json', 'tsconfig.json'];
const notInputs = new Set(['node_modules', 'dist', 'build', 'gen', '.vitest-results']);

/**
 * A hash of path, size and modification time of all build inputs, and of the Node and compiler in use.
 * @param {string} root
 */
export function fingerprintInputs(root) {
  const hash = createHash('sha256').update(`${process.version}\0${process.env.CXX ?? ''}\0`);
  const projects = listProjects(root).flatMap((project) => projectInputs.map((name) => join(project.dir, name)));
  for (const input of [...rootInputs, ...projects, 'native']) addPath(hash, root, input);
  return hash.digest('hex');
}

/**
 * @param {import('node:crypto').Hash} hash
 * @param {string} root
 * @param {string} path relative to root; a folder is walked in sorted order
 */
function addPath(hash, root, path) {
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  if (!stat) return;
  if (!stat.isDirectory()) {
    hash.update(`${path}\0${stat.size}\0${stat.mtimeMs}\n`);
    return;
  }
  const names = readdirSync(join(root, path)).filter((name) => !notInputs.has(name));
  for (const name of names.sort()) addPath(hash, root, join(path, name));
}

/**
 * Paths, relative to root, that a finished build has made: a deleted one means another build.
 * @param {string} root
 */
export function listOutputs(root) {
  const compiled = listProjects(root)
    .filter((project) => project.scripts.build && existsSync(join(root, project.dir, 'tsconfig.json')))
    .map((project) => join(project.dir, 'dist', '.tsbuildinfo'));
  const native = ['switchyard.node', 'native_tests'].map((name) => join('native', 'build', 'release', name));
  return [...compiled, ...native, 'libs/proto/src/gen/descriptors.binpb'];
}
