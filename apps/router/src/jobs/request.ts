// What a client asked for, in one shape for HTTP and gRPC. Made by http/ and convert.ts, consumed by job.ts.
// Ranges are checked before a request is made; what depends on the model is checked when it becomes a job.
import type { PromptInput, SamplingInput } from '@switchyard/openai';

/** Who asks. `requestId` and `tenant` are 1 to 128 visible ASCII characters, `cacheSalt` may be empty. */
export interface RequestOrigin {
  requestId: string;
  tenant: string;
  cacheSalt: string;
}

/** One answer that is wanted. */
export interface GenerationRequest {
  origin: RequestOrigin;
  model: string;
  input: PromptInput;
  /** Name of the input in the client's own API, for errors: `messages`, `prompt[2]`, `chat.messages`. */
  inputField: string;
  sampling: SamplingInput;
  logprobs: boolean;
  /** Alternatives a token, 0 to 20. */
  topLogprobs: number;
  /** At least 1; null for what the context leaves. */
  maxTokens: number | null;
  /** At most 4, none empty. */
  stop: string[];
}
