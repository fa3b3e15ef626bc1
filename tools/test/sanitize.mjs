// `npm run sanitize [-- asan|tsan ...]`: builds the native tests under AddressSanitizer + UBSan and under ThreadSanitizer
// and runs each test in a process of its own. Where the sanitizer's runtime is missing it says so; with CI=true that fails.
import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const native = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'native');
const flags = { asan: '-fsanitize=address,undefined', tsan: '-fsanitize=thread' };
const deadlineMs = 300_000;

/** @typedef {keyof typeof flags} Variant */

/** @param {Variant} variant */
function hasRuntime(variant) {
  const compiler = process.env.CXX ?? 'g++';
  const args = [flags[variant], '-x', 'c++', '-', '-o', '/dev/null'];
  return spawnSync(compiler, args, { input: 'int main() {}' }).status === 0;
}

/**
 * ThreadSanitizer of older compilers aborts where the kernel randomises addresses widely: run without that, where allowed.
 * @param {Variant} variant
 * @returns {string[]} words to put before a command
 */
function launcherOf(variant) {
  if (variant !== 'tsan' || spawnSync('setarch', ['-R', 'true']).status !== 0) return [];
  return ['setarch', '-R'];
}

/**
 * @param {string[]} command the test binary, after its launcher if any
 * @param {string} name
 * @returns {Promise<{ name: string, ok: boolean, output: string }>}
 */
function runTest([program = '', ...args], name) {
  return new Promise((resolve) => {
    const child = spawn(program, [...args, name], {
      cwd: native,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: deadlineMs,
    });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      output += chunk;
    });
    child.on('error', (error) => resolve({ name, ok: false, output: String(error) }));
    child.on('close', (code, signal) => {
      resolve({ name, ok: code === 0, output: `${output}ended with ${signal ?? `status ${code}`}` });
    });
  });
}

/**
 * @param {string} binary
 * @param {string[]} launcher
 */
async function runTests(binary, launcher) {
  const list = spawnSync(binary, ['--list'], { encoding: 'utf8' });
  const names = list.stdout.split('\n').filter((name) => name !== '');
  const queue = [...names];
  let numFailed = list.status === 0 ? 0 : 1;
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const result = await runTest([...launcher, binary], name);
      if (result.ok) continue;
      numFailed += 1;
      console.error(`FAILED ${result.name}\n${result.output}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return { numRun: names.length, numFailed };
}

/**
 * @param {Variant} variant
 * @returns {Promise<boolean>} whether all went well
 */
async function check(variant) {
  if (!hasRuntime(variant)) {
    console.error(`${variant}: the compiler has no runtime for ${flags[variant]}`);
    return process.env.CI !== 'true';
  }
  const build = spawnSync(process.execPath, ['build.mjs', '--variant', variant], { cwd: native, stdio: 'inherit' });
  if (build.status !== 0) return false;
  const binary = join(native, 'build', variant, 'native_tests');
  const { numRun, numFailed } = await runTests(binary, launcherOf(variant));
  console.log(`${variant}: ${numRun - numFailed} of ${numRun} native tests clean`);
  return numRun > 0 && numFailed === 0;
}

/** @param {string} name @returns {name is Variant} */
function isVariant(name) {
  return name in flags;
}

async function main() {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(flags);
  let ok = true;
  for (const name of wanted) {
    if (!isVariant(name)) throw new Error(`unknown sanitizer '${name}'; known: ${Object.keys(flags).join(', ')}`);
    ok = (await check(name)) && ok;
  }
  process.exit(ok ? 0 : 1);
}

await main();
