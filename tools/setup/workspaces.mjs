// Reads the list of projects from the root package.json. Called by the set-up, the test runner and the checks.
// Plain Node without dependencies: it must work before anything is installed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** @typedef {import('./workspaces.mjs').Project} Project */

/**
 * @param {string} path
 * @returns {any}
 */
export function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/**
 * Every workspace project, sorted by folder.
 * @param {string} root absolute path of the repository
 * @returns {Project[]}
 */
export function listProjects(root) {
  /** @type {string[]} */
  const patterns = readJson(join(root, 'package.json')).workspaces;
  return patterns
    .flatMap((pattern) => expand(root, pattern))
    .filter((dir) => existsSync(join(root, dir, 'package.json')))
    .sort()
    .map((dir) => toProject(dir, readJson(join(root, dir, 'package.json'))));
}

/**
 * @param {string} root
 * @param {string} pattern a folder, or a folder followed by one star for each folder in it
 */
function expand(root, pattern) {
  if (!pattern.endsWith('/*')) return [pattern];
  const parent = pattern.slice(0, -2);
  return readdirSync(join(root, parent)).map((name) => `${parent}/${name}`);
}

/**
 * @param {string} dir
 * @param {any} manifest
 * @returns {Project}
 */
function toProject(dir, manifest) {
  return {
    name: manifest.name,
    dir,
    scripts: manifest.scripts ?? {},
    tags: manifest.nx?.tags ?? [],
    dependencies: Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }),
  };
}
