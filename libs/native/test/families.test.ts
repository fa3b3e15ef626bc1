// Every family against transformers: logits within 2e-4 of their range, the same top choice where it is clear, and the same bits
// however a prompt is cut.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type ArenaFile, loadNative } from '../src/index.js';
import type { OpenedWeights } from './driver.js';
import { Golden, type GoldenPrompt, listFixtures, withFixture } from './families.js';

const TOLERANCE = 2e-4;
const fixtures = listFixtures();

interface HowToEvaluate {
  chunkTokens?: number;
  mtp?: boolean;
  arena?: ArenaFile | null;
}

function evaluate({ executorSpec, weights }: OpenedWeights, tokens: number[], how: HowToEvaluate = {}) {
  const options = { chunkTokens: tokens.length, mtp: false, arena: null, ...how };
  return loadNative().evaluate({ model: executorSpec, weights, policy: 'fp32', tokens, ...options });
}

const rowOf = (rows: Float32Array, i: number, width: number) => rows.subarray(i * width, (i + 1) * width);

function argmax(row: Float32Array): number {
  return row.reduce((best, value, i) => (value > (row[best] ?? Number.NEGATIVE_INFINITY) ? i : best), 0);
}

/** Largest difference of rows of our logits from the golden's, as a share of the golden's range. */
function errorOf(ours: Float32Array, positions: readonly number[], golden: Float32Array): number {
  const width = golden.length / positions.length;
  const range = golden.reduce((a, b) => Math.max(a, b)) - golden.reduce((a, b) => Math.min(a, b));
  const differences = positions.map((position, i) => {
    const row = rowOf(ours, position, width);
    return rowOf(golden, i, width).reduce(
      (worst, value, k) => Math.max(worst, Math.abs(value - (row[k] as number))),
      0,
    );
  });
  return Math.max(...differences) / range;
}

/** Positions whose clear choice we make otherwise. */
function otherChoices(ours: Float32Array, { top, gaps }: GoldenPrompt, vocabSize: number): number[] {
  const range = ours.reduce((a, b) => Math.max(a, b)) - ours.reduce((a, b) => Math.min(a, b));
  return top.flatMap((id, position) => {
    const isClear = (gaps[position] as number) > 2 * TOLERANCE * range;
    return isClear && argmax(rowOf(ours, position, vocabSize)) !== id ? [position] : [];
  });
}

function checkPrompt(model: OpenedWeights, golden: Golden, promptIdx: number): void {
  const prompt = golden.prompts[promptIdx] as GoldenPrompt;
  const { ids, positions, mtp_positions: mtpPositions, step_ids: stepIds = [] } = prompt;
  const { spec } = model;
  const { logits, mtpLogits } = evaluate(model, ids, { mtp: mtpPositions !== undefined && spec.numMtpLayers > 0 });
  expect(errorOf(logits, positions, golden.rows(promptIdx, 'logits'))).toBeLessThan(TOLERANCE);
  expect(otherChoices(logits, prompt, spec.vocabSize)).toEqual([]);
  if (mtpLogits && mtpPositions) {
    expect(errorOf(mtpLogits, mtpPositions, golden.rows(promptIdx, 'mtp_logits'))).toBeLessThan(TOLERANCE);
  }
  const steps = stepIds.map((_, i) => ids.length + i);
  if (steps.length === 0) return;
  const stepped = evaluate(model, [...ids, ...stepIds], { chunkTokens: 1 }).logits;
  expect(errorOf(stepped, steps, golden.rows(promptIdx, 'step_logits'))).toBeLessThan(TOLERANCE);
}

/** transformers turns the prompts of dynamic RoPE by their whole length: what it gives beyond the trained positions is not ours. */
const isComparable = (model: OpenedWeights, { ids, step_ids: stepIds = [] }: GoldenPrompt) =>
  model.spec.ropeScaling.type !== 'dynamic' ||
  ids.length + stepIds.length <= model.spec.ropeScaling.originalMaxPositions;

test.each(fixtures)('%s has the logits of transformers', async (fixture) => {
  const golden = new Golden(fixture);
  await withFixture(fixture, (model) => {
    const indices = golden.prompts.flatMap((prompt, i) => (isComparable(model, prompt) ? [i] : []));
    expect(indices.length).toBeGreaterThan(1);
    for (const promptIdx of indices) checkPrompt(model, golden, promptIdx);
  });
});

test.each(fixtures)('%s has the same bits in chunks and step by step', async (fixture) => {
  const golden = new Golden(fixture);
  await withFixture(fixture, (model) => {
    const ids = golden.prompts.at(-1)?.ids.slice(0, model.spec.maxPositions) ?? [];
    const bits = (chunkTokens: number) => new Uint32Array(evaluate(model, ids, { chunkTokens }).logits.buffer);
    const whole = bits(ids.length);
    for (const chunkTokens of [1, 3, 7, 16]) expect(bits(chunkTokens)).toEqual(whole);
  });
});

test.each(fixtures)('%s has the same bits from an arena', async (fixture) => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-arena-js-'));
  const arena = { path: join(folder, 'arena'), key: fixture };
  try {
    await withFixture(fixture, async (model) => {
      const { executorSpec, weights, spec } = model;
      await loadNative().packModel({ model: executorSpec, weights, arena, policy: 'fp32' }).done;
      const mtp = spec.numMtpLayers > 0;
      const bits = (from: ArenaFile | null) => {
        const { logits, mtpLogits } = evaluate(model, [1, 17, 99, 3, 42, 7], { arena: from, mtp });
        return [logits, ...(mtpLogits ? [mtpLogits] : [])].map(({ buffer }) => new Uint32Array(buffer));
      };
      expect(bits(arena)).toEqual(bits(null));
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
