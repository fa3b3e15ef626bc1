// `npm run soak -- xccl [--kills N] [--ranks N] [--seed N]`: kills ranks of a communicator at random points under random traffic, by
// default 1000 times: no hang, no wrong byte, nothing left behind (native/xccl/soak). native/test/soak.test.ts runs a short form.
import { spawnSync } from 'node:child_process';
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

function main() {
  const [subject = '', ...args] = process.argv.slice(2);
  if (!subjects.includes(subject)) throw new Error(`what to soak: '${subject}' is not one of ${subjects.join(', ')}`);
  const seed = args.includes('--seed') ? [] : ['--seed', String(Date.now() % 1_000_000)];
  const kills = args.includes('--kills') ? [] : ['--kills', numKillsDefault];
  const result = spawnSync(buildSoak(), [...kills, ...seed, ...args], { stdio: 'inherit' });
  process.exit(result.status ?? 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}
