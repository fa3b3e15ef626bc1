// Clients that go away, run out of time or read slowly, and a router that shuts down: all work ends everywhere, and
// nothing is held for a client that does not read.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { callServerStream, ServiceError } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster, inference } from '@switchyard/proto';
import { APIError } from 'openai';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { ScriptedTe } from './scripted-te.js';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const { PREFILL, DECODE } = cluster.MemberKind;
const messages = [{ role: 'user' as const, content: 'Tell me a story about a brave fox.' }];
const longStory = 'The fox ran on and on. '.repeat(40);

let model: OpenedModel;
let router: TestRouter;
let prefill: ScriptedTe;
let decode: ScriptedTe;

beforeAll(async () => {
  model = await openTinyModel();
});

async function start(options: Parameters<typeof startTestRouter>[1] = {}): Promise<void> {
  router = await startTestRouter(model, options);
  prefill = await router.world.add('prefill-0', PREFILL, { answer: longStory });
  decode = await router.world.add('decode-0', DECODE, { answer: longStory });
  router.publish();
}
beforeEach(() => start());
afterEach(async () => {
  const violations = await router.world.settled();
  const { numActive } = router.runner;
  await router.close();
  expect({ violations, numActive }).toEqual({ violations: [], numActive: 0 });
});

const body = () => ({ model: model.name, messages });
const generateRequest = () =>
  inference.GenerateRequest.fromPartial({ model: model.name, input: { $case: 'chat', value: { messages } } });

/** Resolves when the condition holds; the limit is for a test that hangs. */
function until(condition: () => boolean): Promise<void> {
  return vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5_000, interval: 5 });
}

/** Resolves when the number has been the same for a while. */
function standsStill(read: () => number): Promise<void> {
  let before = Number.NaN;
  const check = () => {
    const moved = read() !== before;
    before = read();
    expect(moved).toBe(false);
  };
  return vi.waitFor(check, { timeout: 10_000, interval: 250 });
}

/** Resolves with the headers; the body is not read. */
function post(path: string, body: object): Promise<IncomingMessage> {
  const headers = { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${router.url}${path}`, { method: 'POST', headers }, resolve);
    request.on('error', reject);
    request.end(JSON.stringify(body));
  });
}

test('an HTTP client that leaves in mid-stream', async () => {
  decode.script.tokenMs = 20;
  const stream = await router.openai.chat.completions.create({ ...body(), stream: true });
  for await (const _ of stream) break;
  await until(() => router.world.numOpenStreams === 0);
});

test('an HTTP client that leaves while its prompt is prefilled', async () => {
  prefill.script.prefillMs = 60_000;
  const controller = new AbortController();
  const answer = router.openai.chat.completions.create(body(), { signal: controller.signal });
  await until(() => router.world.numOpenPrefills === 1);
  controller.abort();
  await expect(answer).rejects.toThrow();
  await until(() => router.world.numOpenPrefills === 0 && router.world.numOpenStreams === 0);
});

test('an HTTP client that leaves while it waits for the whole answer', async () => {
  decode.script.tokenMs = 50;
  const controller = new AbortController();
  const answer = router.openai.chat.completions.create(body(), { signal: controller.signal });
  await until(() => [...router.world.handles.values()].some((handle) => handle.state === 'claimed'));
  controller.abort();
  await expect(answer).rejects.toThrow();
  await until(() => router.world.numOpenStreams === 0);
});

test('a gRPC client that cancels', async () => {
  decode.script.tokenMs = 20;
  for await (const { event } of callServerStream(router.grpcClient, 'generate', generateRequest(), {
    timeoutMs: 5_000,
  })) {
    if (event?.$case === 'delta') break;
  }
  await until(() => router.world.numOpenStreams === 0);
});

test('a gRPC deadline travels to the TEs and ends them', async () => {
  decode.script.tokenMs = 60_000;
  const read = async () => {
    for await (const _ of callServerStream(router.grpcClient, 'generate', generateRequest(), { timeoutMs: 400 }));
  };
  await expect(read()).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  await until(() => router.world.numOpenStreams === 0);
});

test('the longest time of a request passes before anything is streamed: 504', async () => {
  await router.close();
  await start({ requestTimeoutMs: 300 });
  prefill.script.prefillMs = 60_000;
  const error = await router.openai.chat.completions.create({ ...body(), stream: true }).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(APIError);
  expect(error.status).toBe(504);
  expect(error.error).toMatchObject({ type: 'server_error', code: 'deadline_exceeded' });
});

test('a client that does not read stops the generation until it does', async () => {
  const numPrompts = 4;
  const numTokensAll = numPrompts * (model.tokenizer.encode(longStory).length + 1);
  // 16 KiB a token are more than all buffers on the way can hold.
  prefill.script.padding = decode.script.padding = 'x'.repeat(16_384);
  let numTokens = 0;
  decode.script.onToken = () => {
    numTokens++;
  };
  const wanted = { model: model.name, prompt: Array(numPrompts).fill('A fox'), max_tokens: 900, stream: true };
  const response = await post('/v1/completions', wanted);
  await standsStill(() => numTokens);
  expect(numTokens).toBeGreaterThan(0);
  expect(numTokens).toBeLessThan(numTokensAll / 2);
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
  // The first token of each answer is prefill's.
  expect(numTokens).toBe(numTokensAll - numPrompts);
});

test('more jobs than the router takes are 429 at once', async () => {
  await router.close();
  await start({ maxJobs: 1 });
  decode.script.tokenMs = 50;
  const stream = await router.openai.chat.completions.create({ ...body(), stream: true });
  const error = await router.openai.chat.completions.create(body()).catch((thrown) => thrown);
  expect(error.status).toBe(429);
  for await (const _ of stream) break;
});

test('draining: running answers end well, new requests are 503, then what is left is cut', async () => {
  const stream = await router.openai.chat.completions.create({ ...body(), stream: true, max_tokens: 30 });
  const drained = router.runner.drain(5_000);
  const error = await router.openai.chat.completions.create(body()).catch((thrown) => thrown);
  expect(error.status).toBe(503);
  expect((await fetch(`${router.url}/healthz`)).status).toBe(503);
  let finishReason: string | null | undefined;
  for await (const chunk of stream) finishReason = chunk.choices[0]?.finish_reason;
  expect(finishReason).toBe('length');
  await drained;
});

test('closing ends what still runs with a clear error', async () => {
  decode.script.tokenMs = 100;
  const read = async () => {
    const events = callServerStream(router.grpcClient, 'generate', generateRequest(), { timeoutMs: 5_000 });
    for await (const { event } of events) if (event?.$case === 'delta') void router.runner.close();
  };
  const error = await read().catch((thrown) => thrown);
  expect(error).toBeInstanceOf(ServiceError);
  expect(error.code).toBe('DRAINING');
});
