// The HTTP API as a plain client sees it: every way in which a streamed chat can end, as data. The chaos and flow tests judge
// these outcomes; nothing here throws for what the server did.
import { readEvents } from '@switchyard/testkit';
import { MODEL } from './use-system.js';

export interface ErrorBody {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
}

export interface ChatOutcome {
  /** HTTP status; 0 when the connection ended before one came. */
  status: number;
  headers: Headers;
  text: string;
  numChunks: number;
  finishReason: string | null;
  /** `data: [DONE]` was the last event. */
  done: boolean;
  /** Error body of a refusal, or error event of a stream. */
  error: ErrorBody | undefined;
  /** What the connection died of; undefined when it ended in order. */
  broken: string | undefined;
}

export interface PostOptions {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Called after each chunk with the text so far. */
  onText?: (text: string) => void;
}

export function post(baseUrl: string, path: string, body: unknown, options: PostOptions = {}): Promise<Response> {
  return fetch(`${baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
    ...(options.signal && { signal: options.signal }),
  });
}

/** Body of a greedy streamed chat of one user turn. */
export function greedyChat(content: string, maxTokens: number): Record<string, unknown> {
  return {
    model: MODEL,
    stream: true,
    temperature: 0,
    max_tokens: maxTokens,
    messages: [{ role: 'user', content }],
  };
}

/** Streams a chat and tells how it ended. */
export async function streamChat(baseUrl: string, body: unknown, options: PostOptions = {}): Promise<ChatOutcome> {
  const outcome: ChatOutcome = {
    status: 0,
    headers: new Headers(),
    text: '',
    numChunks: 0,
    finishReason: null,
    done: false,
    error: undefined,
    broken: undefined,
  };
  try {
    const response = await post(baseUrl, '/v1/chat/completions', body, options);
    outcome.status = response.status;
    outcome.headers = response.headers;
    if (response.ok) await readChunks(response, outcome, options);
    else outcome.error = ((await response.json()) as { error: ErrorBody }).error;
  } catch (error) {
    outcome.broken = describe(error);
  }
  return outcome;
}

interface Chunk {
  error?: ErrorBody;
  choices?: { delta: { content?: string }; finish_reason: string | null }[];
}

async function readChunks(response: Response, outcome: ChatOutcome, options: PostOptions): Promise<void> {
  for await (const event of readEvents(response)) {
    if (event.data === '[DONE]') {
      outcome.done = true;
      continue;
    }
    const chunk = JSON.parse(event.data) as Chunk;
    if (chunk.error) outcome.error = chunk.error;
    const choice = chunk.choices?.[0];
    if (choice === undefined) continue;
    outcome.numChunks++;
    outcome.text += choice.delta.content ?? '';
    outcome.finishReason = choice.finish_reason ?? outcome.finishReason;
    options.onText?.(outcome.text);
  }
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? ` (${String(error.cause)})` : '';
  return `${String(error)}${cause}`;
}
