// `npm run soak -- families [--seed N] [--count N] [--first N] [--python PATH] [--keep DIRECTORY] [FAMILY...]`: random configurations of every
// family, by default 40 of each, which tools/golden/sweep.py makes, against the logits of transformers. Prints each failure with its
// configuration, and the largest errors by family and type of the files. Exits with 1 if something failed, and with 2, saying why,
// without a Python that has what tools/golden/requirements.txt lists.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseSafetensorsHeader } from '@switchyard/model';
import { openModel } from '@switchyard/model-files';
import { loadNative } from '@switchyard/native';

/** Of the range of the logits. */
const TOLERANCE = 2e-4;
/** Of the range of the logits: choices that lead by less are ties to bfloat16. */
const BF16_TIE = 1e-2;

/**
 * What sweep.py says of a checkpoint.
 * @typedef {{ family: string, number: number, dtype: string, is_as_saved: boolean, ids: number[], config: object }} Case
 */

/**
 * Largest errors, as shares of the logits' range, and the positions whose clear choice bfloat16 makes otherwise; null without such a golden.
 * @typedef {{ error: number, bf16: { error: number, numOtherChoices: number } | null }} Comparison
 */

/**
 * @param {string} directory
 * @returns {Map<string, Float32Array>} the tensors of golden.safetensors
 */
function readGolden(directory) {
  const bytes = readFileSync(join(directory, 'golden.safetensors'));
  const tensors = parseSafetensorsHeader(bytes, bytes.byteLength, 'golden.safetensors');
  return new Map(
    tensors.map(({ name, dtype, offset, bytes: size }) => {
      const { buffer } = Uint8Array.from(bytes.subarray(offset, offset + size));
      return [name, dtype === 'BF16' ? widenBf16(new Uint16Array(buffer)) : new Float32Array(buffer)];
    }),
  );
}

/** @param {Uint16Array} halves */
function widenBf16(halves) {
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** @param {Float32Array} values */
function rangeOf(values) {
  return values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
}

/**
 * @param {Float32Array} ours
 * @param {Float32Array} golden The same rows.
 * @returns {number} the largest difference, as a share of the golden's range
 */
function errorOf(ours, golden) {
  if (ours.length !== golden.length) throw new Error(`${ours.length} logits, ${golden.length} expected`);
  return ours.reduce((worst, value, i) => Math.max(worst, Math.abs(value - Number(golden[i]))), 0) / rangeOf(golden);
}

/**
 * @param {Float32Array} row
 * @returns {{ top: number, lead: number }} the best token, and by how much it leads
 */
function choiceOf(row) {
  const top = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
  const second = row.reduce((best, value, i) => (i === top ? best : Math.max(best, value)), Number.NEGATIVE_INFINITY);
  return { top, lead: Number(row[top]) - second };
}

/**
 * @param {Float32Array} ours
 * @param {Float32Array} low The same rows, computed in bfloat16.
 * @param {number} vocabSize
 */
function countOtherChoices(ours, low, vocabSize) {
  const tie = BF16_TIE * rangeOf(low);
  let count = 0;
  for (let first = 0; first < ours.length; first += vocabSize) {
    const mine = choiceOf(ours.subarray(first, first + vocabSize));
    const theirs = choiceOf(low.subarray(first, first + vocabSize));
    if (mine.top !== theirs.top && mine.lead > tie && theirs.lead > tie) count++;
  }
  return count;
}

/**
 * @param {string} directory
 * @param {Case} one
 * @returns {Promise<Comparison>}
 */
async function compare(directory, { ids }) {
  // A checkpoint must have a tokenizer, which nobody here uses.
  writeFileSync(join(directory, 'tokenizer.json'), '{}');
  const { spec, executorSpec, weights } = await openModel(directory);
  /** @param {number} chunkTokens */
  const evaluate = (chunkTokens) =>
    loadNative().evaluate({
      model: executorSpec,
      weights,
      policy: 'fp32',
      kernelClass: 'fma16',
      tokens: ids,
      chunkTokens,
      mtp: false,
      threads: 1,
      arena: null,
    }).logits;
  const golden = readGolden(directory);
  const logits = evaluate(ids.length);
  const stepped = evaluate(1);
  const whole = /** @type {Float32Array} */ (golden.get('logits'));
  const steps = golden.get('steps') ?? whole;
  const error = Math.max(errorOf(logits, whole), errorOf(stepped.subarray(stepped.length - steps.length), steps));
  const low = golden.get('logits_bf16');
  const bf16 = low && { error: errorOf(logits, low), numOtherChoices: countOtherChoices(logits, low, spec.vocabSize) };
  return { error, bf16: bf16 ?? null };
}

/**
 * @param {Comparison} comparison
 * @returns {string | null} what is wrong
 */
function problemOf({ error, bf16 }) {
  if (!(error < TOLERANCE)) return `differs by ${error.toExponential(2)} of the range`;
  return bf16?.numOtherChoices ? `bfloat16 makes another choice at ${bf16.numOtherChoices} positions` : null;
}

/** Largest errors by family and type. */
class Errors {
  /** @type {Map<string, number>} */
  #worst = new Map();

  /**
   * @param {Case} one
   * @param {Comparison} comparison
   */
  add({ family, dtype }, { error, bf16 }) {
    this.#raise(`${family} ${dtype}`, error);
    if (bf16) this.#raise(`${family} computed in bfloat16`, bf16.error);
  }

  /**
   * @param {string} what
   * @param {number} error
   */
  #raise(what, error) {
    this.#worst.set(what, Math.max(this.#worst.get(what) ?? 0, error));
  }

  print() {
    for (const [what, error] of this.#worst) console.log(`${what}: ${error.toExponential(2)}`);
  }
}

/**
 * @param {string} out
 * @returns {Promise<boolean>} whether all is well
 */
async function compareAll(out) {
  const errors = new Errors();
  const folders = readdirSync(out).flatMap((family) =>
    readdirSync(join(out, family)).map((one) => join(out, family, one)),
  );
  let numFailed = 0;
  for (const directory of folders) {
    /** @type {Case} */
    const one = JSON.parse(readFileSync(join(directory, 'case.json'), 'utf8'));
    const problem = await compare(directory, one).then(
      (comparison) => {
        errors.add(one, comparison);
        return problemOf(comparison);
      },
      (error) => `is refused: ${error.message}`,
    );
    if (problem === null) continue;
    numFailed++;
    const form = one.is_as_saved ? 'as saved by transformers' : 'as drawn';
    console.log(`${one.family} ${one.number} (${one.dtype}, ${form}) ${problem}\n  ${JSON.stringify(one.config)}`);
  }
  errors.print();
  console.log(`${folders.length} cases, ${numFailed} failed`);
  return numFailed === 0;
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      count: { type: 'string', default: '40' },
      first: { type: 'string', default: '0' },
      python: { type: 'string', default: 'python3' },
      keep: { type: 'string' },
    },
  });
  const { seed, count, first, python } = values;
  if (spawnSync(python, ['-c', 'import transformers, torch, safetensors']).status !== 0) {
    console.error(
      `needs: a Python with what tools/golden/requirements.txt lists, which ${python} is not (--python PATH)`,
    );
    process.exit(2);
  }
  console.log(`seed ${seed}`);
  const out = values.keep ?? mkdtempSync(join(tmpdir(), 'switchyard-sweep-'));
  try {
    const script = fileURLToPath(new URL('sweep.py', import.meta.url));
    const draw = ['--seed', seed, '--count', count, '--first', first, '--out', out, ...positionals];
    const made = spawnSync(python, ['-W', 'ignore', script, ...draw], { stdio: 'inherit' });
    process.exitCode = made.status === 0 ? Number(!(await compareAll(out))) : 2;
  } finally {
    if (values.keep === undefined) rmSync(out, { recursive: true });
  }
}

await main();
