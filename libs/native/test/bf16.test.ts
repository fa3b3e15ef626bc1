// Policy bf16: products of bf16 weights and activations. What is its own: how far from fp32 and from transformers in bfloat16 it is, and
// the same bits on every instruction set, though one of them only has an instruction for it.
import { describe, expect, test } from 'vitest';
import { loadNative } from '../src/index.js';
import type { OpenedWeights } from './driver.js';
import { errorOf, Golden, type GoldenPrompt, inputOf, withFixture } from './families.js';
import { logitsOn } from './other-isa.js';

/** Of the range of the logits: what transformers in bfloat16 itself is from fp32 (docs/status.md). */
const TOLERANCE = 2.5e-2;

const logitsOf = (model: OpenedWeights, ids: number[]) => loadNative().evaluate(inputOf(model, ids)).logits;

describe.each(['llama', 'qwen3-moe', 'deepseek-v3', 'glm4-moe'])('%s', (fixture) => {
  const golden = new Golden(fixture);
  const { ids } = golden.prompts.at(-1) as GoldenPrompt;

  test('is near to transformers in fp32, and no nearer', async () => {
    await withFixture(
      fixture,
      (model) => {
        for (const [promptIdx, prompt] of golden.prompts.entries()) {
          const error = errorOf(logitsOf(model, prompt.ids), prompt.positions, golden.rows(promptIdx, 'logits'));
          expect(error).toBeLessThan(TOLERANCE);
          expect(error).toBeGreaterThan(1e-5);
        }
      },
      'bf16',
    );
  });

  test('has the same bits on every instruction set, in chunks and by any number of threads', async () => {
    await withFixture(
      fixture,
      async (model) => {
        const input = inputOf(model, ids);
        const logits = [...loadNative().evaluate(input).logits];
        for (const chunkTokens of [1, 7]) {
          expect([...loadNative().evaluate({ ...input, chunkTokens, threads: 3 }).logits]).toEqual(logits);
        }
        for (const isa of loadNative().describe().isas) expect(await logitsOn(isa, input)).toEqual({ isa, logits });
      },
      'bf16',
    );
  });
});

test('a checkpoint without bf16 matrices is refused', async () => {
  await expect(withFixture('llama/int8', () => {}, 'bf16')).rejects.toThrow(
    'policy: is bf16, this checkpoint can be served in w8a8 or fp32',
  );
});
