// POST /v1/chat/completions, as far as it differs from the other endpoint.
import {
  type AnswerHead,
  type AnswerPart,
  chatChunk,
  chatCompletion,
  chatFirstChunk,
  chatUsageChunk,
  parseChatRequest,
} from '@switchyard/openai';
import type { ChunkWriter, EndpointFormat } from './completion-route.js';

export const chatFormat: EndpointFormat = {
  parse: parseChatRequest,
  inputField: () => 'messages',
  idPrefix: 'chatcmpl-',
  whole: (head, answers, usage) => chatCompletion(head, answers[0] as AnswerPart, usage),
  chunkWriter: chatChunkWriter,
};

/** The role goes out once, before the first piece. A piece that withholds all its text makes no chunk. */
function chatChunkWriter(head: AnswerHead, includeUsage: boolean): ChunkWriter {
  let begun = false;
  return {
    chunks(_promptIdx, part) {
      const chunks = begun ? [] : [chatFirstChunk(head, includeUsage)];
      begun = true;
      return hasContent(part) ? [...chunks, chatChunk(head, part, includeUsage)] : chunks;
    },
    usageChunk: (usage) => chatUsageChunk(head, usage),
  };
}

export function hasContent(part: AnswerPart): boolean {
  return part.text !== '' || part.finishReason !== null || (part.logprobs !== null && part.logprobs.length > 0);
}
