// A request to generate, whichever endpoint it came by: what the parsers here make and the router's jobs take.
// Values are checked for themselves; what needs the model (context length, vocabulary) is the router's to check.

/** One turn of a conversation; content is plain text. */
export interface ChatTurn {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
}

/** What the model is given. */
export type PromptInput =
  | { kind: 'chat'; messages: ChatTurn[] }
  | { kind: 'text'; text: string }
  | { kind: 'tokens'; tokenIds: number[] };

/** Sampler settings; null where the model's own default applies. */
export interface SamplingInput {
  /** 0 to 2; 0 is greedy. */
  temperature: number | null;
  /** In (0, 1]. */
  topP: number | null;
  /** 0 is off. */
  topK: number | null;
  /** 0 to 1; 0 is off. */
  minP: number | null;
  /** An unsigned 64-bit number; negative seeds are taken modulo 2^64. */
  seed: bigint | null;
}

export interface GenerationInput {
  model: string;
  /** One answer each; more than one only from /v1/completions with several prompts. */
  inputs: PromptInput[];
  sampling: SamplingInput;
  /** At least 1; null for what the context leaves. */
  maxTokens: number | null;
  /** At most 4, none empty. */
  stop: string[];
  stream: boolean;
  /** Ends the stream with a chunk that carries the usage. */
  includeUsage: boolean;
  logprobs: boolean;
  /** Alternatives a token, 0 to 20. */
  topLogprobs: number;
}
