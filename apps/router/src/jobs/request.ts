// What a client asked for, in one shape for HTTP and gRPC. Made by convert.ts, consumed by job.ts.
// Ranges are checked before a request is made; what depends on the model is checked when it becomes a job.

/** Who asks. `requestId` and `tenant` are 1 to 128 visible ASCII characters, `cacheSalt` may be empty. */
export interface RequestOrigin {
  requestId: string;
  tenant: string;
  cacheSalt: string;
}

export interface ChatTurn {
  role: string;
  content: string;
}

export type PromptInput =
  | { kind: 'chat'; messages: ChatTurn[] }
  | { kind: 'text'; text: string }
  | { kind: 'tokens'; tokenIds: number[] };

/** Absent settings take the model's own defaults. */
export interface SamplingRequest {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  seed?: bigint;
  logprobs: boolean;
  topLogprobs: number;
}

/** One answer that is wanted. */
export interface GenerationRequest {
  origin: RequestOrigin;
  model: string;
  input: PromptInput;
  /** Name of the input in the client's own API, for errors: `messages`, `prompt[2]`, `chat.messages`. */
  inputField: string;
  sampling: SamplingRequest;
  /** Absent: what the context leaves. */
  maxTokens?: number;
  stopStrings: string[];
}
