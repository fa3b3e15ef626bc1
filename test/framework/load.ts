// Requests in flight while something is killed: streams over HTTP and gRPC whose right answers are known beforehand.
import { type ServiceError as GrpcError, status } from '@grpc/grpc-js';
import { common } from '@switchyard/proto';
import {
  generate,
  inferenceClient,
  type System,
  userMessageOf,
  userTurn,
  visibleText,
  waitFor,
} from '@switchyard/testkit';
import { expect } from 'vitest';
import { type ChatOutcome, greedyChat, streamChat } from './http-api.js';
import { GOLDEN, MODEL } from './use-system.js';

const AGAIN_MS = 30_000;
const MAX_TOKENS = 64;
const NUM_STREAMS = 8;
/** The golden answer of each user message. */
const RIGHT = new Map(GOLDEN.flatMap((row) => [[userMessageOf(row) ?? '', visibleText(row)] as const]));
const PROMPTS = [...RIGHT.keys()].filter((message) => message !== '');

/** A load of which at least half streams already. */
export async function loadInFlight(system: System): Promise<Load> {
  // The story is the longest answer: most streams tell it, so that a kill meets them in the middle.
  const prompts = Array.from(
    { length: NUM_STREAMS },
    (_, idx) => PROMPTS[idx % 4 === 3 ? idx % PROMPTS.length : 0] ?? '',
  );
  const load = startLoad(system, prompts, MAX_TOKENS);
  await waitFor('half of the load to stream', 30_000, () => load.numStreaming() >= NUM_STREAMS / 2 || undefined, 1);
  return load;
}

/** Waits for a right answer, which must come without anyone's help. */
export async function expectAnswersAgain(system: System): Promise<void> {
  const [prompt = ''] = PROMPTS;
  await waitFor('the service to answer again', AGAIN_MS, async () => {
    const outcome = await streamChat(system.http, greedyChat(prompt, MAX_TOKENS), {
      signal: AbortSignal.timeout(15_000),
    });
    return outcome.done && outcome.text === RIGHT.get(prompt) ? true : undefined;
  });
}

/** How one request of the load ended. */
export type LoadResult =
  | { over: 'http'; prompt: string; outcome: ChatOutcome }
  | { over: 'grpc'; prompt: string; text: string; finished: boolean; error: GrpcError | undefined };

export interface Load {
  /** Requests that have begun to answer. */
  numStreaming(): number;
  /** One promise a request; none rejects. */
  results: Promise<LoadResult>[];
}

/** Starts a request for each prompt, over HTTP and gRPC in turn, all at once. */
export function startLoad(system: System, prompts: readonly string[], maxTokens: number): Load {
  const streaming = new Set<number>();
  const results = prompts.map((prompt, idx) => {
    const onText = () => streaming.add(idx);
    return idx % 2 === 0
      ? httpResult(system, prompt, maxTokens, onText)
      : grpcResult(system, prompt, maxTokens, onText);
  });
  return { numStreaming: () => streaming.size, results };
}

async function httpResult(system: System, prompt: string, maxTokens: number, onText: () => void): Promise<LoadResult> {
  return { over: 'http', prompt, outcome: await streamChat(system.http, greedyChat(prompt, maxTokens), { onText }) };
}

async function grpcResult(system: System, prompt: string, maxTokens: number, onText: () => void): Promise<LoadResult> {
  const client = inferenceClient(system.grpc);
  let text = '';
  let finished = false;
  const onDelta = (delta: common.OutputDelta) => {
    text += delta.text;
    finished ||= delta.finishReason !== common.FinishReason.UNSPECIFIED;
    onText();
  };
  const request = {
    model: MODEL,
    input: userTurn(prompt),
    sampling: { temperature: 0 },
    maxTokens,
  };
  try {
    await generate(client, request, { onDelta });
    return { over: 'grpc', prompt, text, finished, error: undefined };
  } catch (error) {
    return { over: 'grpc', prompt, text, finished, error: error as GrpcError };
  } finally {
    client.close();
  }
}

/** True for a whole, right answer. What was streamed of any other must be a beginning of the right one: nothing wrong is ever sent. */
export function isAnswer(result: LoadResult): boolean {
  const right = RIGHT.get(result.prompt) ?? '';
  const text = result.over === 'http' ? result.outcome.text : result.text;
  expect(right.startsWith(text), `streamed ${JSON.stringify(text)}, right is ${JSON.stringify(right)}`).toBe(true);
  const isWhole =
    result.over === 'http'
      ? result.outcome.done && result.outcome.error === undefined && result.outcome.finishReason !== null
      : result.finished && result.error === undefined;
  if (isWhole) expect(text).toBe(right);
  return isWhole;
}

/** The error forms of a lost member: 503 with a body before headers, an error event and no [DONE] after; UNAVAILABLE with detail. */
export function expectClearError(result: LoadResult): void {
  if (result.over === 'grpc') {
    expect(result.error).toMatchObject({ code: status.UNAVAILABLE });
    const [detail] = result.error?.metadata.get('switchyard-error-bin') ?? [];
    expect(detail, result.error?.message).toBeInstanceOf(Buffer);
    expect(common.ErrorDetail.decode(detail as Buffer).code).not.toBe('');
    return;
  }
  const { outcome } = result;
  expect(outcome.broken, 'the connection ends in order').toBeUndefined();
  expect([200, 503]).toContain(outcome.status);
  expect(outcome.done).toBe(false);
  expect(outcome.error?.message, JSON.stringify(outcome)).toMatch(/\w/);
  expect(outcome.error).toMatchObject({ type: expect.any(String) });
}
