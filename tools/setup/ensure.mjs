// Makes a clone ready to run: installs from the lockfile and builds what is stale. npm calls it before `npm start` and
// `npm test`. When nothing has changed it returns within a tenth of a second. It fetches nothing but what the lockfile names.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprintInputs, listOutputs } from './fingerprint.mjs';
import { fingerprintInstall, isInstalled } from './installed.mjs';
import { checkCompiler, checkNode } from './prerequisites.mjs';
import { runQuietly } from './run-quietly.mjs';
import { readJson } from './workspaces.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
// Inside node_modules, because `npm ci` empties that folder first: no stamp outlives its install.
const stampDir = join(root, 'node_modules', '.switchyard');

/** @param {'install' | 'build'} name */
function readStamp(name) {
  const path = join(stampDir, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
}

/**
 * @param {'install' | 'build'} name
 * @param {string} value
 */
function writeStamp(name, value) {
  mkdirSync(stampDir, { recursive: true });
  writeFileSync(join(stampDir, name), value);
}

/** @param {string | null} problem */
function stopOn(problem) {
  if (problem === null) return;
  console.error(problem);
  process.exit(1);
}

async function install() {
  const wanted = fingerprintInstall(root);
  if (readStamp('install') === wanted) return;
  if (!isInstalled(root)) {
    await runQuietly('installing packages', 'npm', ['ci', '--loglevel=error', '--no-fund', '--no-audit'], root);
  }
  writeStamp('install', wanted);
}

async function build() {
  // Taken before the build: a file saved while it runs makes the next call build again.
  const wanted = fingerprintInputs(root);
  const isThere = () => listOutputs(root).every((path) => existsSync(join(root, path)));
  if (readStamp('build') === wanted && isThere()) return;
  stopOn(checkCompiler(process.env));
  const nx = join(root, 'node_modules', '.bin', 'nx');
  await runQuietly('building', nx, ['run-many', '-t', 'build', '--outputStyle=static-failures-only'], root);
  writeStamp('build', wanted);
}

stopOn(checkNode(process.versions.node, readJson(join(root, 'package.json')).engines.node));
await install();
await build();
