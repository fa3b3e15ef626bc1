// Every family against transformers: logits within 2e-4 of their range, the same top choice where it is clear, also of
// transformers in bfloat16, and the same bits however a prompt is cut and whoever computes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KernelClass } from '@switchyard/model';
import { expect, test } from 'vitest';
import { type ArenaFile, loadNative } from '../src/index.js';
import type { OpenedWeights } from './driver.js';
import {
  type Bf16Prompt,
  errorOf,
  Golden,
  type GoldenPrompt,
  hasBf16,
  listFixtures,
  rangeOf,
  rowOf,
  withFixture,
} from './families.js';

const TOLERANCE = 2e-4;
/** Of the range of the logits: choices that lead by less are ties to bfloat16. */
const BF16_TIE = 1e-2;
const fixtures = listFixtures();

interface HowToEvaluate {
  chunkTokens?: number;
  mtp?: boolean;
  arena?: ArenaFile | null;
  threads?: number;
  kernelClass?: KernelClass;
}

function evaluate({ executorSpec, weights, policy }: OpenedWeights, tokens: number[], how: HowToEvaluate = {}) {
  const options = {
    chunkTokens: tokens.length,
    mtp: false,
    arena: null,
    threads: 1,
    kernelClass: 'fma16' as const,
    ...how,
  };
  return loadNative().evaluate({ model: executorSpec, weights, policy, tokens, ...options });
}

function argmax(row: Float32Array): number {
  return row.reduce((best, value, i) => (value > (row[best] ?? Number.NEGATIVE_INFINITY) ? i : best), 0);
}

/** Positions whose clear choice we make otherwise. */
function otherChoices(ours: Float32Array, { top, gaps }: GoldenPrompt, vocabSize: number): number[] {
  const range = rangeOf(ours);
  return top.flatMap((id, position) => {
    const isClear = (gaps[position] as number) > 2 * TOLERANCE * range;
    return isClear && argmax(rowOf(ours, position, vocabSize)) !== id ? [position] : [];
  });
}

/** By how much the logit of the top choice leads. */
function leadOf(row: Float32Array, top: number): number {
  const second = row.reduce((best, value, i) => (i === top ? best : Math.max(best, value)), Number.NEGATIVE_INFINITY);
  return (row[top] as number) - second;
}

function checkPrompt(
  model: OpenedWeights,
  golden: Golden,
  promptIdx: number,
  kernelClass: KernelClass = 'fma16',
): void {
  const prompt = golden.prompts[promptIdx] as GoldenPrompt;
  const { ids, positions, mtp_positions: mtpPositions, step_ids: stepIds = [] } = prompt;
  const { spec } = model;
  const { logits, mtpLogits } = evaluate(model, ids, {
    mtp: mtpPositions !== undefined && spec.numMtpLayers > 0,
    kernelClass,
  });
  expect(errorOf(logits, positions, golden.rows(promptIdx, 'logits'))).toBeLessThan(TOLERANCE);
  expect(otherChoices(logits, prompt, spec.vocabSize)).toEqual([]);
  if (mtpLogits && mtpPositions) {
    expect(errorOf(mtpLogits, mtpPositions, golden.rows(promptIdx, 'mtp_logits'))).toBeLessThan(TOLERANCE);
  }
  const steps = stepIds.map((_, i) => ids.length + i);
  if (steps.length === 0) return;
  const stepped = evaluate(model, [...ids, ...stepIds], { chunkTokens: 1, kernelClass }).logits;
  expect(errorOf(stepped, steps, golden.rows(promptIdx, 'step_logits'))).toBeLessThan(TOLERANCE);
}

/** Positions at which the golden in bfloat16 has another choice than we, and neither is a tie to bfloat16. */
function otherBf16Choices(model: OpenedWeights, prompt: Bf16Prompt): number[] {
  const { logits } = evaluate(model, prompt.ids);
  const tie = BF16_TIE * rangeOf(logits);
  return prompt.ids.flatMap((_, position) => {
    const row = rowOf(logits, position, model.spec.vocabSize);
    const top = argmax(row);
    const isTie = (prompt.gaps_bf16[position] as number) <= tie || leadOf(row, top) <= tie;
    return isTie || top === prompt.top_bf16[position] ? [] : [position];
  });
}

test.each(fixtures)('%s has the logits of transformers', async (fixture) => {
  const golden = new Golden(fixture);
  await withFixture(fixture, (model) => {
    for (const promptIdx of golden.prompts.keys()) checkPrompt(model, golden, promptIdx);
  });
});

const mlaFixtures = fixtures.filter((fixture) => fixture.includes('deepseek') || fixture.includes('kimi'));

test.each(mlaFixtures)('%s has the logits of transformers in kernel class mla-split', async (fixture) => {
  const golden = new Golden(fixture);
  await withFixture(fixture, (model) => {
    for (const promptIdx of golden.prompts.keys()) checkPrompt(model, golden, promptIdx, 'mla-split');
  });
});

const bf16Fixtures = fixtures.filter((fixture) => new Golden(fixture).prompts.some(hasBf16));

test('every family has a golden in bfloat16', () => {
  const folders = new Set(fixtures.filter((fixture) => !fixture.startsWith('gguf')).map((name) => name.split('/')[0]));
  expect(new Set(bf16Fixtures)).toEqual(folders);
});

test.each(bf16Fixtures)('%s chooses as transformers in bfloat16', async (fixture) => {
  await withFixture(fixture, (model) => {
    for (const prompt of new Golden(fixture).prompts.filter(hasBf16)) {
      expect(otherBf16Choices(model, prompt)).toEqual([]);
    }
  });
});

test.each(fixtures)('%s has the same bits in chunks, step by step, and by any number of threads', async (fixture) => {
  const golden = new Golden(fixture);
  await withFixture(fixture, (model) => {
    const ids = golden.prompts.at(-1)?.ids.slice(0, model.spec.maxPositions) ?? [];
    const bits = (chunkTokens: number, threads = 1) =>
      new Uint32Array(evaluate(model, ids, { chunkTokens, threads }).logits.buffer);
    const whole = bits(ids.length);
    for (const chunkTokens of [1, 3, 7, 16]) expect(bits(chunkTokens)).toEqual(whole);
    for (const threads of [2, 3, 5]) expect(bits(ids.length, threads)).toEqual(whole);
  });
});

test.each(fixtures)('%s has the same bits from an arena', async (fixture) => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-arena-js-'));
  const arena = { path: join(folder, 'arena'), key: fixture };
  try {
    await withFixture(fixture, async (model) => {
      const { executorSpec, weights, policy, spec } = model;
      await loadNative().packModel({ model: executorSpec, weights, arena, policy, kernelClass: 'fma16' }).done;
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
