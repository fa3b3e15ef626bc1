// `npm run models [-- --short] [MODEL...]`: checks XCCL's protocols with spin: every model in native/xccl/models must hold in all
// its states, and every mutant of it must fail, which shows that the model would notice. Prints the states of each.
// native/test/models.test.ts runs the short form, test by test.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'xccl', 'models');
const memoryMiB = 4096;
const depthMax = 100_000;
const deadlineMs = 600_000;

/**
 * @typedef {{ model: string, short: string[], full: string[][], mutants: Record<string, string[]> }} Row a row of models.json:
 *   the macros of a small configuration, of the large ones, and what each mutant adds to the small one
 * @typedef {{ name: string, model: string, macros: string[], isSmall: boolean, mustFail: boolean }} Case
 * @typedef {{ ok: boolean, text: string }} Outcome
 */

/**
 * @param {boolean} isShort the small configuration of each model only; mutants always run in that one
 * @returns {Case[]}
 */
export function listCases(isShort) {
  /** @type {Row[]} */
  const rows = JSON.parse(readFileSync(join(folder, 'models.json'), 'utf8'));
  return rows.flatMap(({ model, short, full, mutants }) => [
    ...(isShort ? [short] : full).map((macros) => ({
      name: `${model} ${macros.join(' ')} holds`,
      model,
      macros,
      isSmall: isShort,
      mustFail: false,
    })),
    ...Object.entries(mutants).map(([mutant, added]) => ({
      name: `${model} ${mutant} fails`,
      model,
      macros: [...short, ...added, mutant],
      isSmall: true,
      mustFail: true,
    })),
  ]);
}

/** @param {string} name */
function isProgram(name) {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, name)));
}

/** What is missing to run the models, in the form of a skipped test's reason; undefined when nothing is. */
export function missingTool() {
  if (!isProgram('spin')) return 'needs: spin';
  return compilerOf() ? undefined : 'needs: gcc';
}

/** clang is twice as quick on these verifiers. */
function compilerOf() {
  return ['clang', 'gcc', 'cc'].find(isProgram);
}

/**
 * @param {string} dir
 * @param {string} command
 * @param {string[]} args
 * @returns {Promise<string>} what it printed; rejects when it fails
 */
function run(dir, command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], timeout: deadlineMs });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${output}${command} ended with ${signal ?? `status ${code}`}`));
    });
  });
}

/**
 * @param {Case} wanted
 * @param {string} output pan's
 * @returns {Outcome}
 */
function judge(wanted, output) {
  const errors = output.match(/errors: (\d+)/)?.[1];
  const states = output.match(/(\d+) states, stored/)?.[1];
  if (errors === undefined || states === undefined) return { ok: false, text: `no verdict:\n${output}` };
  const isCut = /max search depth too small|out of memory|memory bound|aborting/.test(output);
  const why = output.match(/^pan:\d+: (.*)$/m)?.[1] ?? 'no error';
  if (wanted.mustFail) return { ok: errors !== '0', text: `${states} states: ${why}` };
  if (isCut) return { ok: false, text: `not all states were visited:\n${output}` };
  return { ok: errors === '0', text: errors === '0' ? `${states} states` : `${states} states: ${why}` };
}

/**
 * @param {Case} wanted
 * @returns {Promise<Outcome>}
 */
export async function runCase(wanted) {
  const dir = mkdtempSync(join(tmpdir(), 'switchyard-model-'));
  try {
    const macros = wanted.macros.map((macro) => `-D${macro}`);
    await run(dir, 'spin', ['-a', ...macros, join(folder, `${wanted.model}.pml`)]);
    const defines = ['-DSAFETY', '-DCOLLAPSE', `-DMEMLIM=${memoryMiB}`];
    // Small searches are over before an optimised compilation or a large hash table pays.
    const [level, hashBits] = wanted.isSmall ? ['-O0', 18] : ['-O2', 24];
    await run(dir, compilerOf() ?? 'cc', [level, '-w', ...defines, '-o', 'pan', 'pan.c']);
    return judge(wanted, await run(dir, './pan', [`-m${depthMax}`, `-w${hashBits}`]));
  } catch (error) {
    return { ok: false, text: error instanceof Error ? error.message : String(error) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** @param {Case[]} cases */
async function runAll(cases) {
  const queue = [...cases];
  let numFailed = 0;
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const outcome = await runCase(next);
      if (!outcome.ok) numFailed += 1;
      console.log(`${outcome.ok ? 'ok' : 'FAILED'} ${next.name}: ${outcome.text}`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return numFailed;
}

async function main() {
  const args = process.argv.slice(2);
  const all = listCases(args.includes('--short'));
  const wanted = args.filter((arg) => arg !== '--short');
  const known = new Set(all.map((one) => one.model));
  const unknown = wanted.filter((name) => !known.has(name));
  if (unknown.length > 0) throw new Error(`unknown model ${unknown.join(', ')}; known: ${[...known].join(', ')}`);
  const missing = missingTool();
  if (missing) {
    console.error(`${missing} (Debian: apt-get install ${missing.replace('needs: ', '')})`);
    process.exit(1);
  }
  const chosen = wanted.length === 0 ? all : all.filter((one) => wanted.includes(one.model));
  const numFailed = await runAll(chosen);
  console.log(`models: ${chosen.length - numFailed} of ${chosen.length} as they should be`);
  process.exit(numFailed === 0 ? 0 : 1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(2);
  });
}
