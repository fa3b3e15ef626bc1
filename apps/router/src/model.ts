// The opened model directory as the router sees it. Called by wiring.ts.
import { ServiceError } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { TokenizerError } from '@switchyard/tokenizer';
import type { RouterModel } from './jobs/router-model.js';

export function toRouterModel(opened: OpenedModel): RouterModel {
  const { tokenizer } = opened;
  const encode = (text: string, field: string, addSpecial: boolean): number[] => {
    refuseHuge(tokenizer.numTokensMin(text), opened.contextTokens, field);
    return tokenizer.encode(text, { addSpecial });
  };
  return {
    name: opened.name,
    digest: opened.weights.digest,
    contextTokens: opened.contextTokens,
    vocabSize: opened.spec.vocabSize,
    stopTokenIds: opened.spec.eosTokenIds,
    samplingDefaults: opened.samplingDefaults,
    encodeText: (text, field) => encode(text, field, true),
    // Templates write the special tokens of a conversation themselves.
    encodeChat(messages, field) {
      const text = asInputError(field, () => tokenizer.renderChat(messages));
      return encode(text, field, false);
    },
  };
}

/** Megabytes of prompt take seconds to encode: what cannot fit the context is refused unread. */
function refuseHuge(numTokensMin: number, contextTokens: number, field: string): void {
  if (numTokensMin < contextTokens) return;
  throw new ServiceError(
    'CONTEXT_LENGTH_EXCEEDED',
    `the model's context is ${contextTokens} tokens; the prompt has at least ${numTokensMin}`,
    { field },
  );
}

function asInputError<T>(field: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    if (!(cause instanceof TokenizerError)) throw cause;
    throw new ServiceError('INVALID_ARGUMENT', `${field}: ${cause.problem}`, { field, cause });
  }
}
