// Bodies that answer POST /v1/completions: the whole answers and the chunks of a stream. Called by the router.
import {
  type AnswerFinishReason,
  type AnswerHead,
  type AnswerPart,
  type AnswerUsage,
  type UsageBody,
  usageBody,
} from './answer.js';
import { type TextLogprobsBody, TextLogprobsWriter } from './logprobs.js';

export interface CompletionChoiceBody {
  /** Index of the prompt. */
  index: number;
  text: string;
  logprobs: TextLogprobsBody | null;
  finish_reason: AnswerFinishReason | null;
}

/** A whole answer and a chunk have the same form. */
export interface CompletionBody {
  id: string;
  object: 'text_completion';
  created: number;
  model: string;
  choices: CompletionChoiceBody[];
  /** Absent in chunks of a stream without usage, null in the chunks before the last of one with usage. */
  usage?: UsageBody | null;
}

/** The answers of a request that does not stream, in the order of its prompts, with the usage of all together. */
export function completion(head: AnswerHead, answers: readonly AnswerPart[], usage: AnswerUsage): CompletionBody {
  const choices = answers.map((answer, index) => toChoice(index, answer, new TextLogprobsWriter()));
  return { ...bodyHead(head), choices, usage: usageBody(usage) };
}

/**
 * A piece of one prompt's answer.
 *
 * @param promptIdx Which prompt it answers.
 * @param writer The prompt's own, kept from piece to piece.
 */
export function completionChunk(
  head: AnswerHead,
  promptIdx: number,
  part: AnswerPart,
  writer: TextLogprobsWriter,
  includeUsage: boolean,
): CompletionBody {
  return { ...bodyHead(head), choices: [toChoice(promptIdx, part, writer)], ...(includeUsage && { usage: null }) };
}

/** The chunk without choices that ends a stream whose client asked for usage. */
export function completionUsageChunk(head: AnswerHead, usage: AnswerUsage): CompletionBody {
  return { ...bodyHead(head), choices: [], usage: usageBody(usage) };
}

function toChoice(index: number, part: AnswerPart, writer: TextLogprobsWriter): CompletionChoiceBody {
  const logprobs = part.logprobs && writer.write(part.logprobs);
  return { index, text: part.text, logprobs, finish_reason: part.finishReason };
}

function bodyHead(head: AnswerHead): Omit<CompletionBody, 'choices'> {
  return { id: head.id, object: 'text_completion', created: head.created, model: head.model };
}
