// What answers are made of, whichever endpoint they go to. Filled in by the router; ids and times come from it, none are made here.

/** What all parts of one answer have in common. */
export interface AnswerHead {
  /** "chatcmpl-..." or "cmpl-...". */
  id: string;
  /** Unix time in seconds. */
  created: number;
  model: string;
}

export type AnswerFinishReason = 'stop' | 'length';

/** Log-probability of one token or alternative. */
export interface AnswerTopLogprob {
  logprob: number;
  /** Bytes of the token's text; may be a part of a character. */
  tokenBytes: Uint8Array;
}

/** Log-probability of a generated token; TokenLogprob of the wire and of libs/tokenizer are such. */
export interface AnswerLogprob extends AnswerTopLogprob {
  top: readonly AnswerTopLogprob[];
}

/** A whole answer, or a piece of one in a stream. */
export interface AnswerPart {
  text: string;
  /** null when they were not asked for. */
  logprobs: readonly AnswerLogprob[] | null;
  /** null while the answer goes on. */
  finishReason: AnswerFinishReason | null;
}

/** Tokens of a request. */
export interface AnswerUsage {
  promptTokens: number;
  completionTokens: number;
  /** Tokens of the prompt that a cache held. */
  cachedPromptTokens: number;
}

/** Usage on the wire. */
export interface UsageBody {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

export function usageBody(usage: AnswerUsage): UsageBody {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedPromptTokens },
  };
}
