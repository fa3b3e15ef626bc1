// POST /v1/completions, as far as it differs from chat: several prompts, plain text.
import {
  type AnswerHead,
  completion,
  completionChunk,
  completionUsageChunk,
  parseCompletionRequest,
  TextLogprobsWriter,
} from '@switchyard/openai';
import { hasContent } from './chat.js';
import type { ChunkWriter, EndpointFormat } from './completion-route.js';

export const completionFormat: EndpointFormat = {
  parse: parseCompletionRequest,
  inputField: (inputIdx, numInputs) => (numInputs === 1 ? 'prompt' : `prompt[${inputIdx}]`),
  idPrefix: 'cmpl-',
  whole: completion,
  chunkWriter: completionChunkWriter,
};

function completionChunkWriter(head: AnswerHead, includeUsage: boolean): ChunkWriter {
  const logprobsWriters = new Map<number, TextLogprobsWriter>();
  const logprobsOf = (promptIdx: number): TextLogprobsWriter => {
    const writer = logprobsWriters.get(promptIdx) ?? new TextLogprobsWriter();
    logprobsWriters.set(promptIdx, writer);
    return writer;
  };
  return {
    chunks(promptIdx, part) {
      if (!hasContent(part)) return [];
      return [completionChunk(head, promptIdx, part, logprobsOf(promptIdx), includeUsage)];
    },
    usageChunk: (usage) => completionUsageChunk(head, usage),
  };
}
