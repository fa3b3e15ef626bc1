// The output stage as prefill and decode share it: both push the same tokens through the same state, so that the first token's
// text is the same on either side (D1, "Output").
import { ServiceError } from '@switchyard/kit';
import type { common } from '@switchyard/proto';
import { OutputState } from '@switchyard/tokenizer';
import type { ServedModel } from './validate.js';

export interface OutputRequest {
  model: ServedModel;
  stop: common.StopConditions;
  numPromptTokens: number;
  /** Tokens of the answer so far: replayed, their text was streamed already. */
  generated: readonly number[];
}

/** Throws INVALID_ARGUMENT when the answer has ended before. */
export function replayOutput({ model, stop, numPromptTokens, generated }: OutputRequest): OutputState {
  const output = new OutputState({
    tokenizer: model.tokenizer,
    stopTokenIds: stop.stopTokenIds,
    stopStrings: stop.stopStrings,
    maxTokens: stop.maxTokens,
    contextLeft: model.contextTokens - numPromptTokens,
  });
  for (const tokenId of generated) output.push(tokenId);
  if (output.finishReason === null) return output;
  throw new ServiceError('INVALID_ARGUMENT', 'token_ids hold an answer that has ended', { field: 'token_ids' });
}
