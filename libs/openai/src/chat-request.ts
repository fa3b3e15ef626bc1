// Bodies of POST /v1/chat/completions. Called by the router's HTTP edge with the parsed JSON.
// Reference: https://platform.openai.com/docs/api-reference/chat/create
import { z } from 'zod';
import { invalidRequest } from './api-error.js';
import { commonFields, commonInput, isEmpty, maxTokens, NUM_TOP_LOGPROBS_MAX } from './common-fields.js';
import type { ChatTurn, GenerationInput } from './generation-input.js';
import { ignored, notYet, validate } from './validate.js';

const textPart = z.strictObject({ type: z.literal('text', 'only text parts are supported'), text: z.string() });

const message = z.strictObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(textPart).min(1)], 'must be a string or an array of text parts'),
  tool_call_id: ignored,
  // Stand in answers that a client sends back as history.
  refusal: notYet(),
  annotations: notYet(isEmpty),
  audio: notYet(),
  tool_calls: notYet(isEmpty),
  function_call: notYet(),
  name: notYet(),
});

const chatRequest = z.strictObject({
  ...commonFields,
  messages: z.array(message).min(1),
  max_completion_tokens: maxTokens,
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(NUM_TOP_LOGPROBS_MAX).nullish(),

  parallel_tool_calls: ignored,
  tools: notYet(isEmpty),
  tool_choice: notYet((value) => value === 'none'),
  functions: notYet(isEmpty),
  function_call: notYet((value) => value === 'none'),
  response_format: notYet((value) => (value as { type?: unknown }).type === 'text'),
  modalities: notYet((value) => JSON.stringify(value) === '["text"]'),
  audio: notYet(),
  prediction: notYet(),
  reasoning_effort: notYet(),
  verbosity: notYet(),
  web_search_options: notYet(),
});
type ChatRequest = z.infer<typeof chatRequest>;

/** Parses a chat request. @throws ApiError (400) naming the first field that is wrong or not supported. */
export function parseChatRequest(body: unknown): GenerationInput {
  const request = validate(chatRequest, body);
  if (request.top_logprobs && request.logprobs !== true) {
    throw invalidRequest("'top_logprobs' needs 'logprobs' to be true.", 'top_logprobs');
  }
  return {
    ...commonInput(request),
    inputs: [{ kind: 'chat', messages: request.messages.map(toTurn) }],
    maxTokens: maxTokensOf(request),
    logprobs: request.logprobs ?? false,
    topLogprobs: request.top_logprobs ?? 0,
  };
}

/** `max_completion_tokens` is the newer name of `max_tokens`; a request may have both if they agree. */
function maxTokensOf(request: ChatRequest): number | null {
  const { max_tokens: older, max_completion_tokens: newer } = request;
  if (older != null && newer != null && older !== newer) {
    throw invalidRequest("'max_tokens' and 'max_completion_tokens' contradict each other.", 'max_tokens');
  }
  return newer ?? older ?? null;
}

/** Models know no developer role; it is the system's newer name. */
function toTurn({ role, content }: z.infer<typeof message>): ChatTurn {
  return {
    role: role === 'developer' ? 'system' : role,
    content: typeof content === 'string' ? content : content.map((part) => part.text).join(''),
  };
}
