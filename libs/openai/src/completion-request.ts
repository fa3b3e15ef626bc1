// Bodies of POST /v1/completions. Called by the router's HTTP edge with the parsed JSON.
// Reference: https://platform.openai.com/docs/api-reference/completions/create
import { z } from 'zod';
import { invalidRequest } from './api-error.js';
import { commonFields, commonInput, NUM_TOP_LOGPROBS_MAX } from './common-fields.js';
import type { GenerationInput, PromptInput } from './generation-input.js';
import { notYet, validate } from './validate.js';

/** Answers of one request at most. */
const NUM_PROMPTS_MAX = 128;
/** The API's own default, unlike chat's. */
const NUM_TOKENS_DEFAULT = 16;

const completionRequest = z.strictObject({
  ...commonFields,
  prompt: z.unknown(),
  logprobs: z.int().min(0).max(NUM_TOP_LOGPROBS_MAX).nullish(),

  echo: notYet((value) => value === false),
  suffix: notYet((value) => value === ''),
});

/** Parses a completion request. @throws ApiError (400) naming the first field that is wrong or not supported. */
export function parseCompletionRequest(body: unknown): GenerationInput {
  const request = validate(completionRequest, body);
  return {
    ...commonInput(request),
    inputs: parsePrompts(request.prompt),
    maxTokens: request.max_tokens ?? NUM_TOKENS_DEFAULT,
    logprobs: request.logprobs != null,
    topLogprobs: request.logprobs ?? 0,
  };
}

/** A text, a list of texts, a list of token ids or a list of such lists. By hand: prompts have a million ids. */
function parsePrompts(prompt: unknown): PromptInput[] {
  if (prompt === undefined || prompt === null) {
    throw invalidRequest("Missing required parameter: 'prompt'.", 'prompt', 'missing_required_parameter');
  }
  if (!Array.isArray(prompt) || typeof prompt[0] === 'number') return [parsePrompt(prompt, 'prompt')];
  if (prompt.length === 0) throw invalidRequest("Invalid value for 'prompt': must not be empty.", 'prompt');
  if (prompt.length > NUM_PROMPTS_MAX) {
    throw invalidRequest(`Invalid value for 'prompt': at most ${NUM_PROMPTS_MAX} prompts are allowed.`, 'prompt');
  }
  return prompt.map((entry, i) => parsePrompt(entry, `prompt[${i}]`));
}

function parsePrompt(prompt: unknown, param: string): PromptInput {
  if (prompt === '' || (Array.isArray(prompt) && prompt.length === 0)) {
    throw invalidRequest(`Invalid value for '${param}': must not be empty.`, param);
  }
  if (typeof prompt === 'string') return { kind: 'text', text: prompt };
  if (!Array.isArray(prompt)) {
    const message = `Invalid value for '${param}': must be text or an array of token ids.`;
    throw invalidRequest(message, param, 'invalid_type');
  }
  const badIdx = prompt.findIndex((id) => !isTokenId(id));
  if (badIdx < 0) return { kind: 'tokens', tokenIds: prompt as number[] };
  throw invalidRequest(`Invalid value for '${param}[${badIdx}]': must be a token id.`, `${param}[${badIdx}]`);
}

function isTokenId(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0x7fffffff;
}
