// The whole flow of a TE on the real executor and the shipped model: prefill, hand-over and decode give the golden tokens, with
// room for all sequences and with so little that they preempt each other.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openModel } from '@switchyard/model-files';
import { loadNative } from '@switchyard/native';
import { afterEach, describe, expect, it } from 'vitest';
import { type DpGroupMaster, InProcessExecutor } from '../src/index.js';
import { SimRequest } from './sim-request.js';
import { makeMaster } from './te-fixture.js';

interface GoldenRow {
  ids: number[];
  greedy_ids: number[];
}

const fromRoot = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const golden: GoldenRow[] = JSON.parse(
  readFileSync(fromRoot('test/fixtures/switchyard-tiny.golden.json'), 'utf8'),
).rows;
const { spec, executorSpec, weights } = await openModel(fromRoot('models/switchyard-tiny'));

let master: DpGroupMaster;
afterEach(() => master.close());

function open(options: { numBlocks: number; maxPrefillTokens: number; numSpeculativeTokens: number }): void {
  const { numBlocks, maxPrefillTokens, numSpeculativeTokens } = options;
  const maxBatchTokens = 8 + maxPrefillTokens;
  const pool = { numBlocks, blockTokens: 16, maxBatchTokens, numSpeculativeTokens, threads: 2 };
  const source = { model: executorSpec, weights, arena: null, policy: 'fp32', kernelClass: 'fma16' } as const;
  const executor = new InProcessExecutor({
    native: loadNative(),
    executor: { ...source, ...pool, communicator: null, experts: null },
    memberId: 'decode-0',
    memberEpoch: 1n,
    observers: [],
  });
  master = makeMaster(executor, { maxPrefillTokens, maxQueue: 64 });
}

async function runAll(copies: number): Promise<SimRequest[]> {
  const rows = Array.from({ length: copies }, () => golden).flat();
  const requests = rows.map(({ ids, greedy_ids: expected }) => {
    return new SimRequest({ prefill: master, decode: master }, ids, expected.length, spec.eosTokenIds, expected);
  });
  await expect
    .poll(
      () => {
        for (const request of requests) request.advance();
        return requests.every(({ stage }) => stage === 'ended');
      },
      { timeout: 20_000, interval: 2 },
    )
    .toBe(true);
  return requests;
}

describe('a master over the native executor', () => {
  it.each([
    ['prompts in one piece', { numBlocks: 256, maxPrefillTokens: 256, numSpeculativeTokens: 0 }],
    ['prompts in chunks', { numBlocks: 256, maxPrefillTokens: 7, numSpeculativeTokens: 0 }],
    ['with four drafts', { numBlocks: 256, maxPrefillTokens: 30, numSpeculativeTokens: 4 }],
  ])('gives the golden tokens, %s', async (_, options) => {
    open(options);
    const requests = await runAll(1);
    expect(requests.map(({ outcome }) => outcome)).toEqual(requests.map(() => 'right'));
    await expect.poll(() => master.stats().numFreeBlocks).toBe(options.numBlocks);
  });

  it.each([0, 2])('gives the golden tokens through preemptions, with %d drafts', async (numSpeculativeTokens) => {
    const numTokensMax = Math.max(...golden.map(({ ids, greedy_ids: answer }) => ids.length + answer.length));
    const numBlocks = Math.ceil(numTokensMax / 16) + 3;
    open({ numBlocks, maxPrefillTokens: 64, numSpeculativeTokens });
    const requests = await runAll(4);
    expect(requests.map(({ outcome }) => outcome)).toEqual(requests.map(() => 'right'));
    expect(master.stats().numPreemptions).toBeGreaterThan(0);
    await expect.poll(() => master.stats().numFreeBlocks).toBe(numBlocks);
    master.checkIntegrity();
  });
});
