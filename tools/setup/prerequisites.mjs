// What the machine must bring: Node and a C++ compiler. Called by ensure.mjs; each check answers null or one sentence
// that says what is missing and what to do. Must load on any Node that knows ES modules.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {string} version as in process.versions.node
 * @param {string} range as in package.json engines, of the form '>=20.20'
 * @returns {string | null}
 */
export function checkNode(version, range) {
  const wanted = range.replace('>=', '');
  if (version.localeCompare(wanted, 'en', { numeric: true }) >= 0) return null;
  return `Switchyard needs Node ${wanted} or newer; this is Node ${version}.`;
}

/**
 * @param {NodeJS.ProcessEnv} env CXX and PATH are read, as native/build.mjs does
 * @returns {string | null}
 */
export function checkCompiler(env) {
  const candidates = env.CXX ? [env.CXX] : ['g++', 'clang++', 'c++'];
  const dirs = (env.PATH ?? '').split(':');
  const isThere = (/** @type {string} */ name) =>
    name.includes('/') ? existsSync(name) : dirs.some((dir) => existsSync(join(dir, name)));
  if (candidates.some(isThere)) return null;
  return `Switchyard needs a C++20 compiler, but found none (tried ${candidates.join(', ')}): install one (on Debian: apt-get install g++) or set CXX.`;
}
