// `npm run soak -- xccl [--kills N] [--ranks N] [--seed N] [--only traffic|pods] [--json FILE]`: kills ranks at random points, by default
// 1000 times, half of them under random traffic and half in whole exchanges of pods: no hang, no wrong byte, nothing left behind
// (native/xccl/soak). native/test/soak.test.ts runs a short form.
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = join(dirname(fileURLToPath(import.meta.url)), '..');
const subjects = ['xccl'];
const numKillsDefault = '1000';

/**
 * Builds the soak program.
 * @param {string} variant
 * @returns {string} its path
 */
export function buildSoak(variant = 'release') {
  const args = ['build.mjs', '--variant', variant, '--tests-only', '--soak'];
  const build = spawnSync(process.execPath, args, { cwd: native, encoding: 'utf8' });
  if (build.status !== 0) throw new Error(`${build.stdout}${build.stderr}`);
  return join(native, 'build', variant, 'native_soak');
}

/** @type {NodeJS.Signals[]} */
const interrupts = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs the soak program to its end; who interrupts this process interrupts it, and it then leaves nothing behind.
 * @param {string} program
 * @param {string[]} args
 */
function runSoak(program, args) {
  const child = spawn(program, args, { stdio: 'inherit' });
  for (const signal of interrupts) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(2);
  });
  child.on('exit', (code) => process.exit(code ?? 1));
}

function main() {
  const [subject = '', ...args] = process.argv.slice(2);
  if (!subjects.includes(subject)) throw new Error(`what to soak: '${subject}' is not one of ${subjects.join(', ')}`);
  const seed = args.includes('--seed') ? [] : ['--seed', String(Date.now() % 1_000_000)];
  const kills = args.includes('--kills') ? [] : ['--kills', numKillsDefault];
  runSoak(buildSoak(), [...kills, ...seed, ...args]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}
