// The shipped model against PyTorch: logits within 1e-3, greedy tokens exactly, alone and in one running batch.
import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { loadNative } from '../src/index.js';
import { Driver, greedy, type OpenedWeights, openTinyModel } from './driver.js';

interface GoldenRow {
  text: string;
  ids: number[];
  last_logits: number[];
  last_mtp_logits: number[];
  argmax: number[];
  max_logprob: number[];
  greedy_ids: number[];
}

const fixture = new URL('../../../test/fixtures/switchyard-tiny.golden.json', import.meta.url);
const golden = JSON.parse(readFileSync(fixture, 'utf8')) as { format: string; version: number; rows: GoldenRow[] };
const tolerance = 1e-3;

let model: OpenedWeights;
let driver: Driver | undefined;

beforeAll(async () => {
  expect(golden).toMatchObject({ format: 'switchyard-golden', version: 1 });
  model = await openTinyModel();
});

afterEach(() => {
  driver?.close();
  driver = undefined;
});

const jobOf = (row: GoldenRow) => ({
  tokens: row.ids,
  sampling: greedy,
  maxNewTokens: 64,
  stopTokenIds: [2],
});

/** Largest absolute difference of two equally long rows. */
function distance(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  expect(ours.length).toBe(theirs.length);
  return Array.from(ours).reduce((worst, value, i) => Math.max(worst, Math.abs(value - (theirs[i] ?? Number.NaN))), 0);
}

function argmax(row: Float32Array): number {
  return row.reduce((best, value, i) => (value > (row[best] ?? Number.NEGATIVE_INFINITY) ? i : best), 0);
}

test.each(golden.rows)('logits of $text', ({ ids, last_logits, last_mtp_logits, argmax: expected }) => {
  const { vocabSize } = model.spec;
  const { logits, mtpLogits } = loadNative().evaluate({
    model: model.executorSpec,
    weights: model.weights,
    arena: null,
    policy: 'fp32',
    kernelClass: 'fma16',
    tokens: ids,
    chunkTokens: ids.length,
    mtp: true,
    threads: 2,
  });
  const rowOf = (all: Float32Array, i: number) => all.subarray(i * vocabSize, (i + 1) * vocabSize);
  expect(ids.map((_, i) => argmax(rowOf(logits, i)))).toEqual(expected);
  expect(distance(rowOf(logits, ids.length - 1), last_logits)).toBeLessThan(tolerance);
  expect(mtpLogits).not.toBeNull();
  if (mtpLogits) expect(distance(rowOf(mtpLogits, ids.length - 2), last_mtp_logits)).toBeLessThan(tolerance);
});

test.each(golden.rows)('greedy tokens through the loop: $text', async (row) => {
  driver = new Driver(model);
  driver.submit({ add: [driver.sequence(1n, jobOf(row))] });
  await driver.until(() => driver?.finishOf(1n) !== undefined);
  const tokens = driver.tokensOf(1n);
  expect(tokens.map((token) => token.tokenId)).toEqual(row.greedy_ids);
  expect(tokens.map((token) => token.position)).toEqual(row.greedy_ids.map((_, i) => row.ids.length + i));
  expect(Math.abs((tokens[0]?.logprob ?? Number.NaN) - (row.max_logprob.at(-1) ?? 0))).toBeLessThan(tolerance);
  expect(driver.finishOf(1n)).toBe(row.greedy_ids.at(-1) === 2 ? 'stop' : 'length');
});

test('greedy tokens of all prompts in one batch with small prefill chunks', async () => {
  driver = new Driver(model, { maxPrefillTokens: 7 });
  const running = driver;
  golden.rows.forEach((row, i) => {
    running.submit({ add: [running.sequence(BigInt(i), jobOf(row))] });
  });
  await running.until(() => golden.rows.every((_, i) => running.finishOf(BigInt(i)) !== undefined));
  for (const [i, row] of golden.rows.entries()) {
    expect(running.tokensOf(BigInt(i)).map((token) => token.tokenId)).toEqual(row.greedy_ids);
  }
});
