// Deltas of the wire as parts of an OpenAI answer. Called by completion-route.ts for each delta.
import type { AnswerPart } from '@switchyard/openai';
import type { common } from '@switchyard/proto';
import { finishOf } from '../requests/answer.js';

export function toAnswerPart(delta: common.OutputDelta, logprobs: boolean): AnswerPart {
  return {
    text: delta.text,
    logprobs: logprobs ? delta.logprobs : null,
    finishReason: finishOf(delta.finishReason) ?? null,
  };
}

/** All parts of one answer as one. */
export function wholeAnswer(parts: AnswerPart[]): AnswerPart {
  const last = parts.at(-1);
  return {
    text: parts.map((part) => part.text).join(''),
    logprobs: last?.logprobs ? parts.flatMap((part) => part.logprobs ?? []) : null,
    finishReason: last?.finishReason ?? null,
  };
}
