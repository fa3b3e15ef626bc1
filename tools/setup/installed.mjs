// Tells whether node_modules holds what the lockfile names. Called by ensure.mjs, before anything is installed.
// An install by hand (`npm ci`, `npm install x`) counts, one that was cut short does not.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from './workspaces.mjs';

/**
 * @typedef {object} LockedPackage
 * @property {string} [version]
 * @property {boolean} [link] a workspace project
 * @property {boolean} [optional] also set for packages of other platforms, which npm leaves out
 */

/**
 * What an install depends on: the lockfile and the Node version.
 * @param {string} root
 */
export function fingerprintInstall(root) {
  const lock = readFileSync(join(root, 'package-lock.json'));
  return createHash('sha256').update(lock).update(process.version).digest('hex');
}

/**
 * Compares each installed package with the lockfile. Some 30 ms, so ensure.mjs asks only when its stamp does not match.
 * @param {string} root
 */
export function isInstalled(root) {
  // npm writes this file at the end of an install and removes it at the start of `npm ci`.
  if (!existsSync(join(root, 'node_modules', '.package-lock.json'))) return false;
  /** @type {Record<string, LockedPackage>} */
  const packages = readJson(join(root, 'package-lock.json')).packages;
  return Object.entries(packages).every(([path, locked]) => matches(join(root, path, 'package.json'), locked));
}

/**
 * @param {string} manifestPath
 * @param {LockedPackage} locked
 */
function matches(manifestPath, locked) {
  if (!existsSync(manifestPath)) return locked.optional === true;
  return locked.link === true || readJson(manifestPath).version === locked.version;
}
