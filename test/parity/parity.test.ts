// One answer: colocated = PD = full, alone or in a batch of sixteen, prefill whole or in chunks, with and without preemption, with drafts of
// the MTP layer and without. Token for token and logprob for logprob, bitwise. The reference is colocated, whole, alone, without drafts.
import { inferenceClient, TOPOLOGIES } from '@switchyard/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { metricSum } from '../framework/metrics.js';
import { testSeed } from '../framework/prng.js';
import { GOLDEN, useSystem } from '../framework/use-system.js';
import { type AnswerRecord, mixedRequests, NUM_REQUESTS, recordOf } from './requests.js';

const SEED = testSeed(20_260_101);
const REQUESTS = mixedRequests(SEED, GOLDEN);
const PREEMPTIONS = 'switchyard_router_preemptions_total';
console.info(`parity: TEST_SEED=${SEED}`);

const VARIANTS = [
  { name: 'whole prefill, no drafts', flags: { 'num-speculative-tokens': 0 }, preempts: false },
  { name: 'two drafts', flags: { 'num-speculative-tokens': 2 }, preempts: false },
  {
    name: 'prefill in chunks of 16, a draft',
    flags: { 'max-prefill-tokens': 16, 'num-speculative-tokens': 1 },
    preempts: false,
  },
  // Room for about a third of what sixteen sequences hold at their longest, and for any one of them.
  {
    name: 'little KV memory, four drafts',
    flags: { 'kv-bytes': 300_000, 'num-speculative-tokens': 4 },
    preempts: true,
  },
];
const NUM_ROUNDS_MAX = 8;
const CASES = TOPOLOGIES.flatMap((topology) => VARIANTS.map((variant) => ({ topology, ...variant })));

let reference: AnswerRecord[] = [];

describe.each(CASES)('$topology, $name', ({ topology, flags, preempts }) => {
  const at = useSystem({ topology, flags });
  let preemptionsBefore = 0;

  beforeAll(async () => {
    preemptionsBefore = await metricSum(at.system.http, PREEMPTIONS);
  });

  test('alone', async () => {
    const client = inferenceClient(at.system.grpc);
    const answers: AnswerRecord[] = [];
    for (const request of REQUESTS) answers.push(await recordOf(client, request));
    client.close();
    if (reference.length === 0) {
      reference = answers;
      expectVaried(reference);
    }
    expectReference(answers);
  });

  test('in a batch of sixteen', async () => {
    const client = inferenceClient(at.system.grpc);
    let preemptions = 0;
    // On a busy machine the requests may come so far apart that the memory is enough.
    for (let round = 0; round < (preempts ? NUM_ROUNDS_MAX : 1) && preemptions === 0; round++) {
      expectReference(await Promise.all(REQUESTS.map((request) => recordOf(client, request))));
      preemptions = (await metricSum(at.system.http, PREEMPTIONS)) - preemptionsBefore;
    }
    client.close();
    expect(preemptions > 0).toBe(preempts);
  });
});

function expectReference(answers: readonly AnswerRecord[]): void {
  for (const [idx, answer] of answers.entries()) {
    expect(answer, `request ${idx} of seed ${SEED}`).toEqual(reference[idx]);
  }
}

/** Guards the test itself: answers that are empty, or all alike, would be equal everywhere without meaning anything. */
function expectVaried(answers: readonly AnswerRecord[]): void {
  expect(new Set(answers.map((answer) => answer.tokenIds.join())).size).toBeGreaterThan(NUM_REQUESTS / 2);
  for (const answer of answers) {
    expect(answer.tokenIds.length).toBeGreaterThan(0);
    expect(answer.logprobs).toHaveLength(answer.tokenIds.length);
  }
}
