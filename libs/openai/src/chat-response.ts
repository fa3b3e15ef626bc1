// Bodies that answer POST /v1/chat/completions: the whole answer and the chunks of a stream. Called by the router.
import {
  type AnswerFinishReason,
  type AnswerHead,
  type AnswerPart,
  type AnswerUsage,
  type UsageBody,
  usageBody,
} from './answer.js';
import { type ChatLogprobsBody, chatLogprobs } from './logprobs.js';

export interface ChatCompletionBody {
  id: string;
  object: 'chat.completion';
  created: number;
  model: string;
  choices: {
    index: number;
    message: { role: 'assistant'; content: string; refusal: null };
    logprobs: ChatLogprobsBody | null;
    finish_reason: AnswerFinishReason | null;
  }[];
  usage: UsageBody;
}

export interface ChatChunkBody {
  id: string;
  object: 'chat.completion.chunk';
  created: number;
  model: string;
  choices: {
    index: number;
    delta: { role?: 'assistant'; content?: string };
    logprobs: ChatLogprobsBody | null;
    finish_reason: AnswerFinishReason | null;
  }[];
  /** Present when the client asked for usage: null in all chunks but the last. */
  usage?: UsageBody | null;
}

/** The answer of a request that does not stream. */
export function chatCompletion(head: AnswerHead, answer: AnswerPart, usage: AnswerUsage): ChatCompletionBody {
  return {
    id: head.id,
    object: 'chat.completion',
    created: head.created,
    model: head.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: answer.text, refusal: null },
        logprobs: answer.logprobs && chatLogprobs(answer.logprobs),
        finish_reason: answer.finishReason,
      },
    ],
    usage: usageBody(usage),
  };
}

/** The first chunk of a stream: who speaks. */
export function chatFirstChunk(head: AnswerHead, includeUsage: boolean): ChatChunkBody {
  return chunk(head, includeUsage, { role: 'assistant', content: '' }, null, null);
}

/** A piece of the answer; its last one carries the finish reason. */
export function chatChunk(head: AnswerHead, part: AnswerPart, includeUsage: boolean): ChatChunkBody {
  const delta = part.text === '' ? {} : { content: part.text };
  return chunk(head, includeUsage, delta, part.logprobs && chatLogprobs(part.logprobs), part.finishReason);
}

/** The chunk without choices that ends a stream whose client asked for usage. */
export function chatUsageChunk(head: AnswerHead, usage: AnswerUsage): ChatChunkBody {
  return { ...chunkHead(head), choices: [], usage: usageBody(usage) };
}

function chunk(
  head: AnswerHead,
  includeUsage: boolean,
  delta: ChatChunkBody['choices'][number]['delta'],
  logprobs: ChatLogprobsBody | null,
  finishReason: AnswerFinishReason | null,
): ChatChunkBody {
  const choices = [{ index: 0, delta, logprobs, finish_reason: finishReason }];
  return { ...chunkHead(head), choices, ...(includeUsage && { usage: null }) };
}

function chunkHead(head: AnswerHead): Omit<ChatChunkBody, 'choices'> {
  return { id: head.id, object: 'chat.completion.chunk', created: head.created, model: head.model };
}
