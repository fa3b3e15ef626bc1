// Policy block-a8 on the GGUF fixtures, which have matrices of every block type: close to transformers on dequantised weights, and one
// answer on every instruction set, in chunks, by any number of threads and from an arena. The formula itself is held by native tests.
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadNative } from '../src/index.js';
import type { OpenedWeights } from './driver.js';
import {
  errorOf,
  Golden,
  type GoldenPrompt,
  type HowToEvaluate,
  inputOf,
  listFixtures,
  rowOf,
  withFixture,
} from './families.js';
import { logitsOn } from './other-isa.js';

/** Of the range of a position's logits, in the median of positions: in some of them a router that nearly ties chooses other experts. */
const TOLERANCE = 0.03;
const fixtures = listFixtures().filter((fixture) => fixture.startsWith('gguf/'));

const bitsOf = (model: OpenedWeights, tokens: number[], how: HowToEvaluate = {}) =>
  new Uint32Array(loadNative().evaluate(inputOf(model, tokens, how)).logits.buffer);

const withBlocks = (fixture: string, use: (model: OpenedWeights) => Promise<void> | void) =>
  withFixture(fixture, use, 'block-a8');

describe.each(fixtures)('%s', (fixture) => {
  const golden = new Golden(fixture);
  const last = golden.prompts.at(-1) as GoldenPrompt;

  test('is near transformers on dequantised weights', async () => {
    await withBlocks(fixture, (model) => {
      const errors = golden.prompts.flatMap(({ ids, positions }, promptIdx) => {
        const { logits } = loadNative().evaluate(inputOf(model, ids));
        const rows = golden.rows(promptIdx, 'logits');
        return positions.map((position, i) => errorOf(logits, [position], rowOf(rows, i, model.spec.vocabSize)));
      });
      const ascending = errors.sort((a, b) => a - b);
      const median = ascending[errors.length >> 1] as number;
      const most = ascending.at(-1) as number;
      console.info(`${fixture}: median ${median.toFixed(4)}, at most ${most.toFixed(4)} of the range of the logits`);
      expect(median).toBeLessThan(TOLERANCE);
      expect(most).toBeLessThan(0.5);
      // Activations are rounded: without that, the error would be that of fp32.
      expect(median).toBeGreaterThan(2e-4);
    });
  });

  test('has the same bits in chunks and by any number of threads', async () => {
    await withBlocks(fixture, (model) => {
      const ids = last.ids.slice(0, model.spec.maxPositions);
      const whole = bitsOf(model, ids, { chunkTokens: ids.length });
      for (const chunkTokens of [1, 5, 16]) expect(bitsOf(model, ids, { chunkTokens })).toEqual(whole);
      for (const threads of [2, 3]) expect(bitsOf(model, ids, { threads })).toEqual(whole);
    });
  });

  test('has the same bits on every instruction set', async () => {
    await withBlocks(fixture, async (model) => {
      const input = inputOf(model, last.ids.slice(0, 24));
      const logits = [...loadNative().evaluate(input).logits];
      for (const isa of loadNative().describe().isas) expect(await logitsOn(isa, input)).toEqual({ isa, logits });
    });
  });

  test('has the same bits from an arena, which is smaller than one of widened weights', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchyard-block-a8-'));
    const arenaOf = (policy: string) => ({ path: join(folder, policy), key: policy });
    try {
      await withBlocks(fixture, async (model) => {
        const { executorSpec, weights } = model;
        for (const policy of ['fp32', 'block-a8'] as const)
          await loadNative().packModel({
            model: executorSpec,
            weights,
            policy,
            kernelClass: 'fma16',
            arena: arenaOf(policy),
          }).done;
        const ids = last.ids.slice(0, 9);
        expect(bitsOf(model, ids, { arena: arenaOf('block-a8') })).toEqual(bitsOf(model, ids));
        expect(statSync(join(folder, 'block-a8')).size).toBeLessThan(statSync(join(folder, 'fp32')).size);
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
