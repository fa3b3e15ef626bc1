// Checks of what the router sends to the task services. The router has checked the client's request already; these keep a
// service from trusting any caller with its memory or its loop. All throw INVALID_ARGUMENT or a narrower code, with the field.
import { ServiceError } from '@switchyard/kit';
import type { SamplingSpec } from '@switchyard/native';
import type { common } from '@switchyard/proto';
import type { TokenText } from '@switchyard/tokenizer';
import { required, samplingFromProto } from '../wire.js';

/** The model that a TE serves. */
export interface ServedModel {
  name: string;
  digest: string;
  numericClass: string;
  vocabSize: number;
  /** Prompt and answer together, in tokens. */
  contextTokens: number;
  tokenizer: TokenText;
}

function invalid(field: string, text: string): ServiceError {
  return new ServiceError('INVALID_ARGUMENT', `${field} ${text}`, { field });
}

export function checkIdentity(identity: common.RequestIdentity | undefined): common.RequestIdentity {
  const { requestId } = required(identity, 'identity');
  if (!/^[\x21-\x7e]{1,128}$/.test(requestId))
    throw invalid('identity.request_id', 'is not 1 to 128 visible characters');
  return identity as common.RequestIdentity;
}

export function checkModel(name: string, model: ServedModel): void {
  if (name === model.name) return;
  throw new ServiceError('MODEL_NOT_FOUND', `the model ${JSON.stringify(name)} is not served here`, { field: 'model' });
}

export function checkTokenIds(tokenIds: readonly number[], model: ServedModel): void {
  if (tokenIds.length === 0) throw invalid('token_ids', 'is empty');
  const idx = tokenIds.findIndex((id) => id >= model.vocabSize);
  if (idx !== -1) throw invalid(`token_ids[${idx}]`, `is ${tokenIds[idx]}, the vocabulary has ${model.vocabSize} ids`);
}

/** Prompt and answer together must fit into the context. */
export function checkContext(numPromptTokens: number, maxTokens: number, model: ServedModel): void {
  if (numPromptTokens + maxTokens <= model.contextTokens) return;
  const text = `${numPromptTokens} prompt tokens and ${maxTokens} new ones exceed the context of ${model.contextTokens}`;
  throw new ServiceError('CONTEXT_LENGTH_EXCEEDED', text, { field: 'stop.max_tokens' });
}

export function checkSampling(params: common.SamplingParams | undefined): SamplingSpec {
  const sampling = samplingFromProto(required(params, 'sampling'));
  const { temperature, topP, minP, topLogprobs } = sampling;
  if (!(temperature >= 0 && temperature <= 2))
    throw invalid('sampling.temperature', `is ${temperature}, not in [0, 2]`);
  if (!(topP > 0 && topP <= 1)) throw invalid('sampling.top_p', `is ${topP}, not in (0, 1]`);
  if (!(minP >= 0 && minP <= 1)) throw invalid('sampling.min_p', `is ${minP}, not in [0, 1]`);
  if (topLogprobs > 20) throw invalid('sampling.top_logprobs', `is ${topLogprobs}, above 20`);
  return sampling;
}

export function checkStop(conditions: common.StopConditions | undefined): common.StopConditions {
  const stop = required(conditions, 'stop');
  if (stop.maxTokens < 1) throw invalid('stop.max_tokens', 'is 0');
  if (stop.stopStrings.length > 4)
    throw invalid('stop.stop_strings', `has ${stop.stopStrings.length} entries, above 4`);
  if (stop.stopStrings.includes('')) throw invalid('stop.stop_strings', 'has an empty entry');
  return stop;
}
