// The comparison: its windows and sums, and what it says of quantised models of three shapes.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '@switchyard/model-files';
import { describe, expect, test } from 'vitest';
import { DivergenceMeter } from '../src/measure/divergence.js';
import { windowsOf } from '../src/measure/windows.js';
import { quantize } from '../src/quantize.js';
import { copyFixture, HELD_OUT, optionsFor, quiet, TINY, withFolder } from './models.js';

describe('windows', () => {
  test.each([
    [2, 8],
    [8, 8],
    [9, 8],
    [100, 8],
    [101, 7],
    [5, 2],
    [1, 8],
  ])('score each of %d tokens but the first once, in windows of %d', (numTokens, windowTokens) => {
    const windows = windowsOf(numTokens, windowTokens);
    const scored = windows.flatMap(({ firstScored, end }) =>
      Array.from({ length: end - firstScored }, (_, i) => firstScored + i),
    );
    expect(scored).toEqual(Array.from({ length: numTokens - 1 }, (_, i) => i + 1));
    for (const [i, { start, end, firstScored }] of windows.entries()) {
      expect(end - start).toBeLessThanOrEqual(windowTokens);
      expect(firstScored - start).toBeGreaterThanOrEqual(i === 0 ? 1 : Math.floor(windowTokens / 2));
    }
  });
});

describe('sums', () => {
  const logits = (...odds: number[]) => Float32Array.from(odds, Math.log);

  test('perplexity, KL and agreement are those of the definitions', () => {
    const meter = new DivergenceMeter();
    meter.add(logits(2, 1, 1), logits(1, 1, 2), 0);
    meter.add(logits(1, 3, 4), logits(1, 3, 4), 1);
    const found = meter.result();
    expect(found.numTokens).toBe(2);
    expect(found.sourcePerplexity).toBeCloseTo(1 / Math.sqrt((2 / 4) * (3 / 8)), 6);
    expect(found.resultPerplexity).toBeCloseTo(1 / Math.sqrt((1 / 4) * (3 / 8)), 6);
    const kl = (2 / 4) * Math.log(2) + (1 / 4) * Math.log(1 / 2);
    expect(found.klMax).toBeCloseTo(kl, 6);
    expect(found.klMean).toBeCloseTo(kl / 2, 6);
    expect(found.top1Agreement).toBe(0.5);
  });

  test('large logits overflow nothing', () => {
    const meter = new DivergenceMeter();
    meter.add(Float32Array.of(3000, 2000), Float32Array.of(-3000, -4000), 0);
    expect(meter.result()).toMatchObject({ sourcePerplexity: 1, resultPerplexity: 1, klMean: 0, top1Agreement: 1 });
  });
});

describe('a quantised model', () => {
  test('switchyard-tiny stays close to its source on the held-out text', async () => {
    await withFolder(async (folder) => {
      const out = join(folder, 'out');
      const surroundings = quiet();
      const found = await quantize(TINY, optionsFor(out, { measure: true, windowTokens: 512 }), HELD_OUT, surroundings);
      expect(readdirSync(folder)).toEqual(['out']);
      expect(found?.sourcePerplexity).toBeLessThan(2.1);
      expect(Math.abs((found?.resultPerplexity ?? 0) / (found?.sourcePerplexity ?? 1) - 1)).toBeLessThan(0.005);
      expect(found?.klMean).toBeGreaterThan(1e-5);
      expect(found?.klMean).toBeLessThan(2e-3);
      expect(found?.top1Agreement).toBeGreaterThan(0.98);
      expect(surroundings.written()).toMatch(
        /perplexity of the source \(fp32\) +\d\.\d{4}\n.*result \(w8a8\) +\d\.\d{4}\nKL/,
      );
    });
  });

  // Random weights: distributions are flat or wild, so bounds are loose.
  test.each(['llama', 'deepseek-v3'])(
    '%s, dense or MoE with MLA, loads in w8a8 and is near its source',
    async (fixture) => {
      await withFolder(async (folder) => {
        const out = join(folder, 'out');
        const dir = copyFixture(fixture, folder);
        const found = await quantize(dir, optionsFor(out, { measure: true }), '0123456789 abcdefg '.repeat(8), quiet());
        expect((await openModel(out)).policy).toBe('w8a8');
        expect(found?.klMean).toBeGreaterThan(0);
        expect(found?.klMean).toBeLessThan(0.05);
        expect(found?.top1Agreement).toBeGreaterThan(0.8);
      });
    },
  );
});
