// The sixteen mixed requests of the parity test, and an answer as a record that compares bit for bit.

import type { common, inference } from '@switchyard/proto';
import { type GenerateInput, type GoldenRow, type GrpcAnswer, generate, type SamplingInput } from '@switchyard/testkit';
import { Prng } from '../framework/prng.js';
import { MODEL } from '../framework/use-system.js';

export const NUM_REQUESTS = 16;
const NUM_STOP_REQUESTS = 3;

/** Each kind of sampling in turn; what a seed varies is prompts, lengths and noise. */
const SAMPLINGS: ((prng: Prng) => SamplingInput)[] = [
  () => ({ temperature: 0 }),
  (prng) => ({ temperature: 0.7, topP: 0.9, seed: seedOf(prng) }),
  (prng) => ({ temperature: 1, topK: 1 + prng.below(40), seed: seedOf(prng) }),
  (prng) => ({ temperature: 1.3, minP: 0.05, seed: seedOf(prng) }),
  (prng) => ({ temperature: 0.9, topK: 30, topP: 0.8, minP: 0.02, seed: seedOf(prng) }),
  (prng) => ({ temperature: 2, topP: 1, topK: 0, minP: 0, seed: seedOf(prng) }),
];

/** @param prompts What the requests' prompts are cut from. */
export function mixedRequests(
  seed: number,
  prompts: readonly Pick<GoldenRow, 'ids'>[],
  model = MODEL,
): GenerateInput[] {
  const prng = new Prng(seed);
  return Array.from({ length: NUM_REQUESTS }, (_, idx) => {
    const row = prng.pick(prompts);
    const sampling = SAMPLINGS[idx % SAMPLINGS.length]?.(prng);
    return {
      model,
      requestId: `parity-${idx}`,
      input: { $case: 'tokens' as const, value: { tokenIds: row.ids.slice(0, row.ids.length - prng.below(4)) } },
      sampling: { ...sampling, logprobs: true, topLogprobs: prng.below(6) },
      maxTokens: 24 + prng.below(40),
      stop: idx < NUM_STOP_REQUESTS ? [prng.pick(['. ', ' the', 'ed'])] : [],
    };
  });
}

function seedOf(prng: Prng): bigint {
  return (BigInt(prng.below(2 ** 32)) << 32n) | BigInt(prng.below(2 ** 32));
}

/** What of an answer must be equal everywhere. Floats are their 32 bits in hex. */
export interface AnswerRecord {
  text: string;
  tokenIds: number[];
  finishReason: common.FinishReason;
  logprobs: string[];
  top: string[][];
}

export async function recordOf(
  client: inference.InferenceServiceClient,
  request: GenerateInput,
): Promise<AnswerRecord> {
  const answer: GrpcAnswer = await generate(client, request);
  return {
    text: answer.text,
    tokenIds: answer.tokenIds,
    finishReason: answer.finishReason,
    logprobs: answer.logprobs.map((entry) => `${entry.tokenId}:${bitsOf(entry.logprob)}`),
    top: answer.logprobs.map((entry) => entry.top.map((top) => `${top.tokenId}:${bitsOf(top.logprob)}`)),
  };
}

function bitsOf(value: number): string {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getUint32(0).toString(16).padStart(8, '0');
}
