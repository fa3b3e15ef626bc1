// `npm run soak -- xccl [--kills N] [--ranks N] [--seed N] [--only traffic|pods] [--json FILE]`: kills ranks at random points, by default
// 1000 times, half of them under random traffic and half in whole exchanges of pods: no hang, no wrong byte, nothing left behind
// (native/xccl/soak). native/test/soak.test.ts runs a short form.
// `npm run soak -- model [--inputs N] [--seed N]`: gives the readers of model files damaged ones, by default 10^6
// (libs/model/test/mutations.test.ts, which has a short form too).
// `npm run soak -- families [--seed N] [--count N] [--python PATH] [FAMILY...]`: random configurations of every family against transformers
// (tools/golden/sweep.mjs).
import { spawn, spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const native = join(dirname(fileURLToPath(import.meta.url)), '..');
/** @type {Record<string, (args: string[]) => void>} */
const subjects = { xccl: soakXccl, model: soakModel, families: soakFamilies };
const numKillsDefault = '1000';
const numInputsDefault = '1000000';
const modelTimeoutMs = 6 * 3_600_000;

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
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 */
function runSoak(program, args, options = {}) {
  const child = spawn(program, args, { ...options, stdio: 'inherit' });
  for (const signal of interrupts) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(2);
  });
  child.on('exit', (code) => process.exit(code ?? 1));
}

/** @param {string[]} args */
function soakXccl(args) {
  const seed = args.includes('--seed') ? [] : ['--seed', randomSeed()];
  const kills = args.includes('--kills') ? [] : ['--kills', numKillsDefault];
  runSoak(buildSoak(), [...kills, ...seed, ...args]);
}

/** @param {string[]} args */
function soakModel(args) {
  const { values } = parseArgs({ args, options: { inputs: { type: 'string' }, seed: { type: 'string' } } });
  const root = join(native, '..');
  const env = {
    ...process.env,
    SWITCHYARD_TEST_INPUTS: values.inputs ?? numInputsDefault,
    SWITCHYARD_TEST_SEED: values.seed ?? randomSeed(),
  };
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const options = [
    'run',
    '--config',
    '../../vitest.config.ts',
    '--reporter=verbose',
    `--testTimeout=${modelTimeoutMs}`,
  ];
  const cwd = join(root, 'libs', 'model');
  runSoak(process.execPath, [vitest, ...options, 'test/mutations.test.ts'], { cwd, env });
}

/** @param {string[]} args */
function soakFamilies(args) {
  runSoak(process.execPath, [join(native, '..', 'tools', 'golden', 'sweep.mjs'), ...args]);
}

function randomSeed() {
  return String(Date.now() % 1_000_000);
}

function main() {
  const [subject = '', ...args] = process.argv.slice(2);
  const soak = Object.hasOwn(subjects, subject) ? subjects[subject] : undefined;
  if (!soak) throw new Error(`what to soak: '${subject}' is not one of ${Object.keys(subjects).join(', ')}`);
  soak(args);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    main();
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  }
}
