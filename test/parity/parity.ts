// What the parity tests do with each of their systems: the same requests alone and in a batch of sixteen, and again while their sequences lose
// their memory to each other. The answers of the first system, alone, are the reference for all.
import { inferenceClient } from '@switchyard/testkit';
import { beforeAll, expect, test } from 'vitest';
import { metricSum } from '../framework/metrics.js';
import { testSeed } from '../framework/prng.js';
import { GOLDEN, useSystem } from '../framework/use-system.js';
import { type AnswerRecord, mixedRequests, NUM_REQUESTS, recordOf } from './requests.js';

const PREEMPTIONS = 'switchyard_router_preemptions_total';
const NUM_ROUNDS_MAX = 8;

export interface ParitySystem {
  topology: Parameters<typeof useSystem>[0]['topology'];
  flags: Record<string, string | number>;
  /** Whether its memory is too small for the batch, though not for any one sequence. */
  preempts: boolean;
}

export class Parity {
  readonly #seed = testSeed(20_260_101);
  readonly #requests = mixedRequests(this.#seed, GOLDEN);
  #reference: readonly AnswerRecord[] | undefined;

  constructor(title: string) {
    console.info(`${title}: TEST_SEED=${this.#seed}`);
  }

  /** Call inside describe. */
  test({ topology, flags, preempts }: ParitySystem): void {
    const at = useSystem({ topology, flags });
    let preemptionsBefore = 0;

    beforeAll(async () => {
      preemptionsBefore = await metricSum(at.system.http, PREEMPTIONS);
    });

    test('alone', async () => {
      const client = inferenceClient(at.system.grpc);
      const answers: AnswerRecord[] = [];
      for (const request of this.#requests) answers.push(await recordOf(client, request));
      client.close();
      if (this.#reference === undefined) expectVaried(answers);
      this.#reference ??= answers;
      this.#expectReference(answers);
    });

    test('in a batch of sixteen', async () => {
      const client = inferenceClient(at.system.grpc);
      let preemptions = 0;
      // On a busy machine the requests may come so far apart that the memory is enough.
      for (let round = 0; round < (preempts ? NUM_ROUNDS_MAX : 1) && preemptions === 0; round++) {
        this.#expectReference(await Promise.all(this.#requests.map((request) => recordOf(client, request))));
        preemptions = (await metricSum(at.system.http, PREEMPTIONS)) - preemptionsBefore;
      }
      client.close();
      expect(preemptions > 0).toBe(preempts);
    });
  }

  /** Those of the first system; for tests that compare what is not to be equal. */
  get reference(): readonly AnswerRecord[] {
    if (this.#reference === undefined) throw new Error('no system has answered yet');
    return this.#reference;
  }

  #expectReference(answers: readonly AnswerRecord[]): void {
    for (const [idx, answer] of answers.entries()) {
      expect(answer, `request ${idx} of seed ${this.#seed}`).toEqual(this.reference[idx]);
    }
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
