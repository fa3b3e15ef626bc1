// Load on a running system over its public HTTP API: a fixed number of streams at a time, and what each of them saw.
import { type GoldenRow, readEvents, readGolden, type System } from '@switchyard/testkit';
import { median } from '../../stats.js';

/** Medians over the streams of one measurement. */
export interface LoadFigures {
  /** Request sent to first text, ms. */
  ttft: number;
  /** First text to last, divided by the tokens after the first, ms. */
  tpot: number;
  /** Tokens of all streams over the time that all of them took, tokens/s. */
  throughput: number;
}

export interface StreamFigures {
  ttftMs: number;
  tpotMs: number;
  numTokens: number;
}

const MAX_TOKENS = 64;
const MODEL = 'switchyard-tiny';
const MIN_STREAMS = 8;
const TIMEOUT_MS = 60_000;

/** Runs as many streams as there are places, at least 8, `concurrency` at a time. */
export async function measureLoad(repoRoot: string, system: System, concurrency: number): Promise<LoadFigures> {
  const prompts = longPrompts(readGolden(repoRoot));
  const numStreams = Math.max(MIN_STREAMS, 2 * concurrency);
  const streams: StreamFigures[] = [];
  let nextIdx = 0;
  const startedAt = performance.now();
  const place = async () => {
    while (nextIdx < numStreams) {
      const prompt = prompts[nextIdx++ % prompts.length];
      if (prompt !== undefined) streams.push(await measureStream(system.http, prompt));
    }
  };
  await Promise.all(Array.from({ length: concurrency }, place));
  return figuresOf(streams, performance.now() - startedAt);
}

export function figuresOf(streams: readonly StreamFigures[], elapsedMs: number): LoadFigures {
  const numTokens = streams.reduce((sum, stream) => sum + stream.numTokens, 0);
  return {
    ttft: median(streams.map((stream) => stream.ttftMs)),
    tpot: median(streams.map((stream) => stream.tpotMs)),
    throughput: (numTokens * 1_000) / elapsedMs,
  };
}

/** Prompts whose greedy answers use all of MAX_TOKENS, so that every stream is equally long. */
function longPrompts(golden: readonly GoldenRow[]): string[] {
  return golden.filter((row) => row.greedy_ids.length === MAX_TOKENS).map((row) => row.text);
}

/** Streams one answer; throws when it does not end well. */
export async function measureStream(baseUrl: string, prompt: string): Promise<StreamFigures> {
  const body = {
    model: MODEL,
    prompt,
    temperature: 0,
    max_tokens: MAX_TOKENS,
    stream: true,
    stream_options: { include_usage: true },
  };
  const sentAt = performance.now();
  const response = await fetch(`${baseUrl}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) throw new Error(`the service answered ${response.status}: ${await response.text()}`);
  let firstAt = 0;
  let lastAt = 0;
  let numTokens = 0;
  for await (const { data } of readEvents(response)) {
    if (data === '[DONE]') continue;
    const chunk = JSON.parse(data) as Chunk;
    if (chunk.error) throw new Error(`the stream ended in an error: ${chunk.error.message}`);
    if (chunk.choices?.[0]?.text) {
      lastAt = performance.now();
      firstAt ||= lastAt;
    }
    numTokens = chunk.usage?.completion_tokens ?? numTokens;
  }
  if (firstAt === 0 || numTokens < 2) throw new Error(`a stream of ${numTokens} tokens cannot be timed`);
  return { ttftMs: firstAt - sentAt, tpotMs: (lastAt - firstAt) / (numTokens - 1), numTokens };
}

interface Chunk {
  error?: { message: string };
  choices?: { text?: string }[];
  usage?: { completion_tokens: number } | null;
}
