// A job is one answer being made: a request whose prompt is tokenised and whose settings are all decided.
// Made here from a GenerationRequest and the model it names; job-runner.ts splits it into a prefill and a decode task.
import { randomBytes, randomUUID } from 'node:crypto';
import { ServiceError } from '@switchyard/kit';
import type { PromptInput } from '@switchyard/openai';
import type { common } from '@switchyard/proto';
import type { GenerationRequest, RequestOrigin } from './request.js';
import type { RouterModel } from './router-model.js';

export interface Job {
  id: string;
  origin: RequestOrigin;
  model: string;
  /** `assistant` for chat, empty otherwise. */
  role: string;
  promptTokenIds: number[];
  sampling: common.SamplingParams;
  stop: common.StopConditions;
}

/**
 * Tokenises and fills in the defaults of the model that the request names; without a seed one is drawn, so that the answer can
 * be had again. Throws ServiceError: INVALID_ARGUMENT, CONTEXT_LENGTH_EXCEEDED.
 */
export function makeJob(request: GenerationRequest, model: RouterModel): Job {
  const promptTokenIds = promptTokens(request.input, request.inputField, model);
  return {
    id: randomUUID(),
    origin: request.origin,
    model: model.name,
    role: request.input.kind === 'chat' ? 'assistant' : '',
    promptTokenIds,
    sampling: fillSampling(request, model),
    stop: {
      maxTokens: tokenBudget(promptTokenIds.length, request, model),
      stopTokenIds: model.stopTokenIds,
      stopStrings: request.stop,
    },
  };
}

/** Identity of one task of a job; every task has an id of its own. */
export function taskIdentity(job: Job): common.RequestIdentity {
  return {
    requestId: job.origin.requestId,
    jobId: job.id,
    taskId: randomUUID(),
    tenant: job.origin.tenant,
    cacheSalt: job.origin.cacheSalt,
  };
}

function promptTokens(input: PromptInput, field: string, model: RouterModel): number[] {
  const tokenIds = tokenise(input, field, model);
  if (tokenIds.length === 0) throw new ServiceError('INVALID_ARGUMENT', 'the prompt has no tokens', { field });
  return tokenIds;
}

function tokenise(input: PromptInput, field: string, model: RouterModel): number[] {
  switch (input.kind) {
    case 'chat':
      return model.encodeChat(input.messages, field);
    case 'text':
      return model.encodeText(input.text, field);
    case 'tokens':
      checkTokenIds(input.tokenIds, field, model.vocabSize);
      return input.tokenIds;
  }
}

function checkTokenIds(tokenIds: number[], field: string, vocabSize: number): void {
  const badIdx = tokenIds.findIndex((id) => !Number.isInteger(id) || id < 0 || id >= vocabSize);
  if (badIdx < 0) return;
  throw new ServiceError(
    'INVALID_ARGUMENT',
    `token id ${tokenIds[badIdx]} is not in the vocabulary of ${vocabSize} tokens`,
    {
      field: `${field}[${badIdx}]`,
    },
  );
}

/** Tokens the answer may have: what was asked for, if prompt and answer together fit the context. */
function tokenBudget(numPromptTokens: number, request: GenerationRequest, model: RouterModel): number {
  const left = model.contextTokens - numPromptTokens;
  const wanted = request.maxTokens ?? left;
  if (left >= 1 && wanted <= left) return wanted;
  const answer = request.maxTokens === null ? 'an answer' : `max_tokens of ${request.maxTokens}`;
  throw new ServiceError(
    'CONTEXT_LENGTH_EXCEEDED',
    `the model's context is ${model.contextTokens} tokens; a prompt of ${numPromptTokens} tokens and ${answer} do not fit`,
    { field: left >= 1 ? 'max_tokens' : request.inputField },
  );
}

function fillSampling(request: GenerationRequest, model: RouterModel): common.SamplingParams {
  const { sampling } = request;
  const defaults = model.samplingDefaults;
  return {
    temperature: sampling.temperature ?? defaults.temperature,
    topP: sampling.topP ?? defaults.topP,
    topK: sampling.topK ?? defaults.topK,
    minP: sampling.minP ?? defaults.minP,
    seed: sampling.seed ?? drawSeed(),
    logprobs: request.logprobs,
    topLogprobs: request.topLogprobs,
  };
}

/** 53 bits, so that a client can send it back as a JSON number without losing any. */
function drawSeed(): bigint {
  return randomBytes(8).readBigUInt64LE() >> 11n;
}
