// Drafts of the shipped model's MTP layer: the same tokens and logprobs with any number of them, and so often right that a step gives
// more than one token and a half.
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Driver, type DriverOptions, greedy, type Job, openTinyModel } from './driver.js';

const golden = new URL('../../../test/fixtures/switchyard-tiny.golden.json', import.meta.url);
const prompts = (JSON.parse(readFileSync(golden, 'utf8')) as { rows: { ids: number[] }[] }).rows.map(({ ids }) => ids);
const model = await openTinyModel();

/** Each prompt greedily and by noise, and every second one of them to a token that ends it. */
const jobs: Job[] = Array.from({ length: 16 }, (_, i) => {
  const sampling = {
    ...greedy,
    temperature: 0.8,
    topP: 0.9,
    minP: i % 3 === 0 ? 0.02 : 0,
    seed: BigInt(i),
    topLogprobs: 2,
  };
  return {
    tokens: prompts[i % prompts.length] as number[],
    sampling: i % 2 === 0 ? greedy : sampling,
    maxNewTokens: 20 + 3 * i,
    stopTokenIds: i % 4 < 2 ? [2] : [],
  };
});

async function run(some: readonly Job[], options: DriverOptions) {
  const driver = new Driver(model, { numBlocks: 512, ...options });
  try {
    const ids = some.map((_, i) => BigInt(i));
    driver.submit({ add: some.map((job, i) => driver.sequence(BigInt(i), job)) });
    await driver.until(() => ids.every((id) => driver.finishOf(id) !== undefined));
    const answers = ids.map((id) => ({ tokens: driver.tokensOf(id), finish: driver.finishOf(id) }));
    return { answers, timings: driver.events.flatMap(({ timing }) => timing ?? []) };
  } finally {
    driver.close();
  }
}

const sum = (counts: readonly number[]) => counts.reduce((total, count) => total + count, 0);

test.each([1, 2, 4])('with up to %d drafts the answers are those without', async (numSpeculativeTokens) => {
  const { answers: expected } = await run(jobs, {});
  for (const some of [jobs, jobs.slice(0, 5), jobs.slice(7, 8)]) {
    const { answers } = await run(some, { numSpeculativeTokens, maxPrefillTokens: 7, maxBatchTokens: 40 });
    const wanted = expected.slice(jobs.indexOf(some[0] as Job)).slice(0, some.length);
    const renumbered = wanted.map(({ tokens, finish }, i) => ({
      tokens: tokens.map((token) => ({ ...token, seqId: BigInt(i) })),
      finish,
    }));
    expect(answers).toEqual(renumbered);
  }
});

test('one draft makes 1.6 tokens a step of one greedy sequence', async () => {
  let numTokens = 0;
  let numSteps = 0;
  const numAccepted = [0, 0, 0, 0];
  let numDrafts = 0;
  for (const tokens of prompts) {
    const job = { tokens, sampling: { ...greedy, logprobs: false }, maxNewTokens: 64, stopTokenIds: [2] };
    const { answers, timings } = await run([job], { numSpeculativeTokens: 1 });
    // The prompt's step gives a token without a draft.
    numTokens += (answers[0]?.tokens.length as number) - 1;
    numSteps += timings.filter(({ numDecodeRows }) => numDecodeRows > 0).length;
    numDrafts += sum(timings.map((timing) => timing.numDrafts));
    for (const [place, count] of numAccepted.entries())
      numAccepted[place] = count + sum(timings.map((timing) => timing.numAcceptedTokens[place] as number));
  }
  expect(numTokens - numSteps).toBe(numAccepted[0]);
  expect(numDrafts).toBeGreaterThan(0.9 * numSteps);
  expect(numTokens / numSteps).toBeGreaterThanOrEqual(1.6);
});

test('more than four drafts, and drafts of a model without an MTP layer, are refused', () => {
  expect(() => new Driver(model, { numSpeculativeTokens: 5 })).toThrow(/numSpeculativeTokens/);
  const executorSpec = { ...model.executorSpec, numMtpLayers: 0 };
  expect(() => new Driver({ ...model, executorSpec }, { numSpeculativeTokens: 1 })).toThrow(
    expect.objectContaining({ code: 'UNSUPPORTED' }),
  );
});
