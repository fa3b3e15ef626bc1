// Fields that /v1/chat/completions and /v1/completions share: their schemas and what they become.
// A field is taken over, accepted because it asks for nothing, or refused by name (style: refuse loudly).
import { z } from 'zod';
import { invalidRequest } from './api-error.js';
import type { GenerationInput, SamplingInput } from './generation-input.js';
import { ignored, notYet } from './validate.js';

/** Largest max_tokens that is a number and not a mistake; whether it fits the context is checked by the router. */
const NUM_TOKENS_MAX = 2 ** 31 - 1;
const NUM_STOP_CHARS_MAX = 1024;
export const NUM_TOP_LOGPROBS_MAX = 20;

const stopString = z
  .string()
  .min(1, 'must not be empty')
  .max(NUM_STOP_CHARS_MAX)
  .refine((text) => !/\p{Surrogate}/u.test(text), 'must be valid Unicode');

export const maxTokens = z.int().min(1).max(NUM_TOKENS_MAX).nullish();

/** Shared schema entries, by their names on the wire. */
export const commonFields = {
  model: z.string().min(1),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).max(0xffffffff).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  stop: z
    .union([stopString, z.array(stopString).max(4)], 'must be a string or an array of at most 4 strings')
    .nullish(),
  stream: z.boolean().nullish(),
  stream_options: z
    .strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.literal(false).nullish() })
    .nullish(),
  max_tokens: maxTokens,

  user: ignored,
  metadata: ignored,
  store: notYet((value) => value === false),
  service_tier: notYet((value) => value === 'auto' || value === 'default'),
  safety_identifier: ignored,
  prompt_cache_key: ignored,

  n: notYet((value) => value === 1),
  best_of: notYet((value) => value === 1),
  presence_penalty: notYet((value) => value === 0),
  frequency_penalty: notYet((value) => value === 0),
  repetition_penalty: notYet((value) => value === 1),
  logit_bias: notYet(isEmpty),
};

/** The shared fields of a validated request. */
export type CommonFields = { [K in keyof typeof commonFields]?: z.infer<(typeof commonFields)[K]> } & { model: string };

/** The part of a GenerationInput that comes from the shared fields. */
export function commonInput(
  request: CommonFields,
): Pick<GenerationInput, 'model' | 'sampling' | 'stop' | 'stream' | 'includeUsage'> {
  const stream = request.stream ?? false;
  if (request.stream_options != null && !stream) {
    throw invalidRequest("'stream_options' is only allowed when 'stream' is true.", 'stream_options');
  }
  return {
    model: request.model,
    sampling: samplingInput(request),
    stop: typeof request.stop === 'string' ? [request.stop] : (request.stop ?? []),
    stream,
    includeUsage: request.stream_options?.include_usage ?? false,
  };
}

/** Whether a list or an object has nothing in it. */
export function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

function samplingInput(request: CommonFields): SamplingInput {
  return {
    temperature: request.temperature ?? null,
    topP: request.top_p ?? null,
    // -1 is how other engines write "off".
    topK: request.top_k === -1 ? 0 : (request.top_k ?? null),
    minP: request.min_p ?? null,
    seed: request.seed == null ? null : BigInt.asUintN(64, BigInt(request.seed)),
  };
}
