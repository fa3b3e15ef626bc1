// Proto <-> the router's own shapes. Called by service.ts; validates what a client sent, with the path of the field.
import { randomUUID } from 'node:crypto';
import { ServiceError } from '@switchyard/kit';
import type { ChatTurn, PromptInput, SamplingInput } from '@switchyard/openai';
import type { inference } from '@switchyard/proto';
import type { GenerationRequest, RequestOrigin } from './jobs/request.js';
import type { RouterModel } from './jobs/router-model.js';
import { checkCacheSalt, checkRequestId, checkTenant, DEFAULT_TENANT } from './requests/origin.js';

const roles: readonly ChatTurn['role'][] = ['system', 'user', 'assistant', 'tool'];
const MAX_STOP_STRINGS = 4;
const MAX_TOP_LOGPROBS = 20;

/** Throws INVALID_ARGUMENT with the field's path. */
export function toGenerationRequest(request: inference.GenerateRequest): GenerationRequest {
  if (request.model === '') throw invalid('model', 'a model must be named');
  return {
    origin: originOf(request),
    model: request.model,
    input: inputOf(request),
    inputField: inputFieldOf(request),
    sampling: samplingOf(request.sampling),
    logprobs: request.sampling?.logprobs ?? false,
    topLogprobs: topLogprobsOf(request.sampling),
    maxTokens: maxTokensOf(request.maxTokens),
    stop: stopOf(request.stop),
  };
}

export function toModelInfo(model: RouterModel): inference.ModelInfo {
  return { name: model.name, contextTokens: model.contextTokens, digest: model.digest };
}

function originOf(request: inference.GenerateRequest): RequestOrigin {
  return {
    requestId: request.requestId === '' ? randomUUID() : checkRequestId(request.requestId, 'request_id'),
    tenant: request.tenant === '' ? DEFAULT_TENANT : checkTenant(request.tenant, 'tenant'),
    cacheSalt: checkCacheSalt(request.cacheSalt, 'cache_salt'),
  };
}

function inputOf({ input }: inference.GenerateRequest): PromptInput {
  switch (input?.$case) {
    case 'chat':
      return { kind: 'chat', messages: turnsOf(input.value.messages) };
    case 'text':
      if (input.value.text === '') throw invalid('text.text', 'the prompt is empty');
      return { kind: 'text', text: input.value.text };
    case 'tokens':
      if (input.value.tokenIds.length === 0) throw invalid('tokens.token_ids', 'the prompt is empty');
      return { kind: 'tokens', tokenIds: input.value.tokenIds };
    default:
      throw invalid('input', 'one of chat, text and tokens must be set');
  }
}

function inputFieldOf({ input }: inference.GenerateRequest): string {
  switch (input?.$case) {
    case 'chat':
      return 'chat.messages';
    case 'tokens':
      return 'tokens.token_ids';
    default:
      return 'text.text';
  }
}

function turnsOf(messages: inference.ChatMessage[]): ChatTurn[] {
  if (messages.length === 0) throw invalid('chat.messages', 'a conversation needs at least one message');
  return messages.map(({ role: name, content }, idx) => {
    const role = roles.find((known) => known === name);
    if (role) return { role, content };
    throw invalid(`chat.messages[${idx}].role`, `unknown role '${name}'; known are ${roles.join(', ')}`);
  });
}

function samplingOf(options: inference.SamplingOptions | undefined): SamplingInput {
  checkRange('sampling.temperature', options?.temperature, 0, 2);
  checkRange('sampling.top_p', options?.topP, Number.MIN_VALUE, 1);
  checkRange('sampling.min_p', options?.minP, 0, 1);
  return {
    temperature: options?.temperature ?? null,
    topP: options?.topP ?? null,
    topK: options?.topK ?? null,
    minP: options?.minP ?? null,
    seed: options?.seed ?? null,
  };
}

function topLogprobsOf(options: inference.SamplingOptions | undefined): number {
  if (!options || options.topLogprobs === 0) return 0;
  checkRange('sampling.top_logprobs', options.topLogprobs, 0, MAX_TOP_LOGPROBS);
  if (!options.logprobs) throw invalid('sampling.top_logprobs', 'needs logprobs');
  return options.topLogprobs;
}

/** NaN fails both comparisons and is refused. */
function checkRange(field: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (value >= min && value <= max)) return;
  const range = min === Number.MIN_VALUE ? `above 0 and at most ${max}` : `from ${min} to ${max}`;
  throw invalid(field, `must be ${range}, not ${value}`);
}

function stopOf(stop: string[]): string[] {
  if (stop.length > MAX_STOP_STRINGS) throw invalid('stop', `at most ${MAX_STOP_STRINGS} strings, not ${stop.length}`);
  const emptyIdx = stop.indexOf('');
  if (emptyIdx >= 0) throw invalid(`stop[${emptyIdx}]`, 'must not be empty');
  return stop;
}

function maxTokensOf(maxTokens: number | undefined): number | null {
  if (maxTokens === 0) throw invalid('max_tokens', 'must be at least 1');
  return maxTokens ?? null;
}

function invalid(field: string, message: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', `${field}: ${message}`, { field });
}
