// `npm run fuzz [-- --seconds N] [--save] [TARGET...]`: runs the libFuzzer targets of native/{xccl,executor}/fuzz, each for N seconds (60), under
// AddressSanitizer and UBSan, from the seeds beside them (seeds/TARGET.hex: an input a line). --save writes back the smallest set
// of inputs that covers what was found. A failing input is printed as such a line: add it to the seeds with its fix.
// native/test/fuzz.test.ts runs the short form.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = join(dirname(fileURLToPath(import.meta.url)), '..');
const folders = ['xccl', 'executor'].map((layer) => join(native, layer, 'fuzz'));
// What targets read and no more: building the rest with sanitizers takes minutes.
const builtLayers = 'base,kernels,xccl,executor/weights,executor/fuzz';
const secondsDefault = 60;
const flags = ['-timeout=10', '-rss_limit_mb=2048', '-max_len=512', '-print_final_stats=1'];
/** Kept small, so that reading a target's seeds takes a moment only. */
const numSavedMax = 200;

/** @returns {string[]} */
export function listTargets() {
  return folders
    .flatMap((folder) => readdirSync(folder))
    .filter((name) => /^fuzz_\w+\.cc$/.test(name))
    .map((name) => basename(name, '.cc'))
    .sort();
}

/** What is missing to fuzz, in the form of a skipped test's reason; undefined when nothing is. */
export function missingTool() {
  const args = ['-fsanitize=fuzzer,address', '-x', 'c++', '-', '-o', '/dev/null'];
  const input = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }';
  return spawnSync('clang++', args, { input }).status === 0 ? undefined : 'needs: clang';
}

/** Builds all targets; throws with the compiler's output. */
export function buildTargets() {
  const args = ['build.mjs', '--variant', 'fuzz', '--layers', builtLayers];
  const build = spawnSync(process.execPath, args, { cwd: native, encoding: 'utf8' });
  if (build.status !== 0) throw new Error(`${build.stdout}${build.stderr}`);
}

/** @param {string} target */
function seedsPath(target) {
  const folder = folders.find((candidate) => existsSync(join(candidate, `${target}.cc`)));
  if (folder === undefined) throw new Error(`no fuzz target ${target}`);
  return join(folder, 'seeds', `${target}.hex`);
}

/**
 * @param {string} target
 * @param {string} corpus
 */
function writeSeeds(target, corpus) {
  mkdirSync(corpus);
  if (!existsSync(seedsPath(target))) return;
  const lines = readFileSync(seedsPath(target), 'utf8').split('\n');
  lines.forEach((line, idx) => {
    if (line !== '') writeFileSync(join(corpus, `seed-${idx}`), Buffer.from(line, 'hex'));
  });
}

/**
 * @param {string} target
 * @param {string[]} args
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
function runFuzzer(target, args) {
  return new Promise((resolve) => {
    const env = { ...process.env, ASAN_OPTIONS: 'quarantine_size_mb=16' };
    const child = spawn(join(native, 'build', 'fuzz', target), args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output = (output + chunk).slice(-20_000);
      });
    }
    child.on('error', (error) => resolve({ ok: false, output: String(error) }));
    child.on('close', (code) => resolve({ ok: code === 0, output }));
  });
}

/**
 * @param {string} dir
 * @param {string} output libFuzzer's
 */
function describeFailure(dir, output) {
  const inputs = readdirSync(dir)
    .filter((name) => /^(crash|timeout|oom|leak|slow-unit)-/.test(name))
    .map((name) => `failing input: ${readFileSync(join(dir, name)).toString('hex')}`);
  return [output, ...inputs].join('\n');
}

/**
 * @param {string} target
 * @param {{ seconds: number, save?: boolean }} options
 * @returns {Promise<{ ok: boolean, text: string }>}
 */
export async function runTarget(target, { seconds, save = false }) {
  const dir = mkdtempSync(join(tmpdir(), 'switchyard-fuzz-'));
  try {
    const corpus = join(dir, 'corpus');
    writeSeeds(target, corpus);
    const args = [...flags, `-artifact_prefix=${dir}/`, `-max_total_time=${seconds}`, corpus];
    const { ok, output } = await runFuzzer(target, args);
    if (!ok) return { ok, text: describeFailure(dir, output) };
    if (save) await saveSeeds(target, dir, corpus);
    const numRuns = output.match(/stat::number_of_executed_units:\s*(\d+)/)?.[1];
    const coverage = output.match(/DONE\s+cov: (\d+)/)?.[1] ?? '?';
    if (numRuns === undefined) return { ok: false, text: `no run was counted:\n${output}` };
    return { ok: Number(numRuns) > 0, text: `${numRuns} inputs, ${coverage} edges` };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/**
 * @param {string} target
 * @param {string} dir
 * @param {string} corpus
 */
async function saveSeeds(target, dir, corpus) {
  const merged = join(dir, 'merged');
  mkdirSync(merged);
  const { ok, output } = await runFuzzer(target, ['-merge=1', '-max_len=512', merged, corpus]);
  if (!ok) throw new Error(output);
  const paths = readdirSync(merged).map((name) => join(merged, name));
  const shortest = paths.sort((a, b) => statSync(a).size - statSync(b).size).slice(0, numSavedMax);
  const lines = shortest.map((path) => readFileSync(path).toString('hex')).filter((line) => line !== '');
  mkdirSync(dirname(seedsPath(target)), { recursive: true });
  writeFileSync(seedsPath(target), `${lines.sort().join('\n')}\n`);
}

/** @param {string[]} argv */
function parseArgs(argv) {
  const at = argv.indexOf('--seconds');
  const seconds = at < 0 ? secondsDefault : Number(argv[at + 1]);
  if (!(seconds > 0)) throw new Error('--seconds needs a number above 0');
  const save = argv.includes('--save');
  const wanted = argv.filter((arg, idx) => !arg.startsWith('--') && !(at >= 0 && idx === at + 1));
  const known = listTargets();
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`unknown target ${unknown.join(', ')}; known: ${known.join(', ')}`);
  return { seconds, save, targets: wanted.length > 0 ? wanted : known };
}

async function main() {
  const { seconds, save, targets } = parseArgs(process.argv.slice(2));
  const missing = missingTool();
  if (missing) throw new Error(`${missing} (Debian: apt-get install clang)`);
  buildTargets();
  let numFailed = 0;
  for (const target of targets) {
    const { ok, text } = await runTarget(target, { seconds, save });
    if (!ok) numFailed += 1;
    console.log(`${ok ? 'ok' : 'FAILED'} ${target}: ${text}`);
  }
  process.exit(numFailed === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  });
}
