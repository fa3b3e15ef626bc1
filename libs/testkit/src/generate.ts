// One answer over the public gRPC API, gathered. The tests compare these records bit for bit; floats stay as they came.
import { credentials, Metadata } from '@grpc/grpc-js';
import { common, inference } from '@switchyard/proto';

export interface GrpcAnswer {
  text: string;
  tokenIds: number[];
  logprobs: common.TokenLogprob[];
  finishReason: common.FinishReason;
  /** Deltas the answer came in. */
  numDeltas: number;
  started: inference.Started | undefined;
  usage: inference.Usage | undefined;
}

/** A GenerateRequest with what it leaves out: the same names, all but model and input optional. */
export interface GenerateInput {
  model: string;
  input:
    | { $case: 'chat'; value: { messages: { role: string; content: string }[] } }
    | { $case: 'text'; value: { text: string } }
    | { $case: 'tokens'; value: { tokenIds: number[] } };
  sampling?: SamplingInput;
  maxTokens?: number;
  stop?: string[];
  requestId?: string;
  tenant?: string;
  cacheSalt?: string;
}

export interface SamplingInput {
  temperature?: number;
  topP?: number;
  topK?: number;
  minP?: number;
  seed?: bigint;
  logprobs?: boolean;
  topLogprobs?: number;
}

/** A chat of one user turn. */
export function userTurn(content: string): GenerateInput['input'] {
  return { $case: 'chat', value: { messages: [{ role: 'user', content }] } };
}

export interface CallOptions {
  timeoutMs?: number;
  metadata?: Record<string, string>;
  /** Called with each delta as it arrives. */
  onDelta?: (delta: common.OutputDelta) => void;
}

const TIMEOUT_MS = 30_000;

export function inferenceClient(address: string): inference.InferenceServiceClient {
  return new inference.InferenceServiceClient(address, credentials.createInsecure());
}

/** Asks for one answer and gathers it. Rejects with grpc-js's ServiceError when the call ends in an error. */
export async function generate(
  client: inference.InferenceServiceClient,
  request: GenerateInput,
  options: CallOptions = {},
): Promise<GrpcAnswer> {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  const call = client.generate(inference.GenerateRequest.fromPartial(request), metadata, {
    deadline: Date.now() + (options.timeoutMs ?? TIMEOUT_MS),
  });
  const answer = emptyAnswer();
  for await (const response of call) take(answer, response as inference.GenerateResponse, options);
  return answer;
}

function emptyAnswer(): GrpcAnswer {
  return {
    text: '',
    tokenIds: [],
    logprobs: [],
    finishReason: common.FinishReason.UNSPECIFIED,
    numDeltas: 0,
    started: undefined,
    usage: undefined,
  };
}

function take(answer: GrpcAnswer, response: inference.GenerateResponse, options: CallOptions): void {
  const event = response.event;
  if (event?.$case === 'started') answer.started = event.value;
  if (event?.$case === 'usage') answer.usage = event.value;
  if (event?.$case !== 'delta') return;
  answer.numDeltas++;
  answer.text += event.value.text;
  answer.tokenIds.push(...event.value.tokenIds);
  answer.logprobs.push(...event.value.logprobs);
  answer.finishReason = event.value.finishReason;
  options.onDelta?.(event.value);
}
