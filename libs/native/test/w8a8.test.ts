// Policy w8a8 against PyTorch with quantised activations, experts' outputs and cache. What every policy has to hold (bits in chunks and from an arena) is in
// families.test.ts; here is what is its own: how close, on every instruction set, and through the loop.
import { cacheRowBytes } from '@switchyard/model';
import { describe, expect, test } from 'vitest';
import { loadNative } from '../src/index.js';
import { Driver, greedy, type OpenedWeights } from './driver.js';
import { errorOf, Golden, type GoldenPrompt, inputOf, rowOf, withFixture } from './families.js';
import { logitsOn } from './other-isa.js';

/** Of the range of the logits: what the order of fp32 sums makes of it, with every rounding to INT8 alike. */
const TOLERANCE = 1e-6;

function errorOfPrompt(model: OpenedWeights, golden: Golden, promptIdx: number): number {
  const { ids, positions } = golden.prompts[promptIdx] as GoldenPrompt;
  return errorOf(loadNative().evaluate(inputOf(model, ids)).logits, positions, golden.rows(promptIdx, 'logits'));
}

describe.each(['llama/w8a8', 'qwen3-moe/w8a8', 'deepseek-v3/w8a8'])('%s', (fixture) => {
  const golden = new Golden(fixture);
  const last = golden.prompts.at(-1) as GoldenPrompt;

  test('is as close to PyTorch as the order of sums allows', async () => {
    await withFixture(fixture, (model) => {
      for (const promptIdx of golden.prompts.keys()) {
        expect(errorOfPrompt(model, golden, promptIdx)).toBeLessThan(TOLERANCE);
      }
    });
  });

  test('has other logits with widened weights, which evaluate can still use', async () => {
    await withFixture(fixture, ({ spec, executorSpec, weights }) => {
      const error = errorOfPrompt({ spec, executorSpec, weights, policy: 'fp32' }, golden, 1);
      expect(error).toBeGreaterThan(1000 * TOLERANCE);
      expect(error).toBeLessThan(0.1);
    });
  });

  test('has the same bits on every instruction set', async () => {
    await withFixture(fixture, async (model) => {
      const input = inputOf(model, last.ids);
      const logits = [...loadNative().evaluate(input).logits];
      for (const isa of loadNative().describe().isas) expect(await logitsOn(isa, input)).toEqual({ isa, logits });
    });
  });

  test('generates in the loop what its logits say', async () => {
    await withFixture(fixture, async (model) => {
      const driver = new Driver(model);
      try {
        const job = { tokens: last.ids, sampling: greedy, maxNewTokens: 8, stopTokenIds: [] };
        const jobs = [job, { ...job, tokens: last.ids.slice(0, 5) }, job];
        driver.submit({ add: jobs.map((one, i) => driver.sequence(BigInt(i + 1), one)) });
        await driver.until(() => jobs.every((_, i) => driver.finishOf(BigInt(i + 1)) === 'length'));
        const tokensOf = (seqId: bigint) => driver.tokensOf(seqId).map(({ tokenId }) => tokenId);
        const tokens = tokensOf(1n);
        expect(tokensOf(3n)).toEqual(tokens);
        const { blockBytes, blockTokens } = driver.executor.kvRegion();
        expect(blockBytes).toBe(model.spec.numLayers * blockTokens * cacheRowBytes(model.spec, 'w8a8'));
        const { logits } = loadNative().evaluate(inputOf(model, [...last.ids, ...tokens]));
        const choices = tokens.map((_, i) => {
          const row = rowOf(logits, last.ids.length - 1 + i, model.spec.vocabSize);
          return row.indexOf(Math.max(...row));
        });
        expect(tokens).toEqual(choices);
      } finally {
        driver.close();
      }
    });
  });
});
