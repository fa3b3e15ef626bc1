// What clients see when a task executor is full, dies or leaves: the right answer from another TE while nothing was
// streamed, a clear error otherwise, and never a wait beyond two seconds.
import { callServerStream, ServiceError } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster, inference } from '@switchyard/proto';
import { APIError, InternalServerError, RateLimitError } from 'openai';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { ScriptedTe } from './scripted-te.js';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const { PREFILL, DECODE } = cluster.MemberKind;
const story = 'Once upon a time a brave fox crossed the river and came home again.';
const messages = [{ role: 'user' as const, content: 'Tell me a story about a brave fox.' }];
const KILL_LIMIT_MS = 2_000;

let model: OpenedModel;
let router: TestRouter;
let prefill: ScriptedTe;
let decode: ScriptedTe;

beforeAll(async () => {
  model = await openTinyModel();
});
beforeEach(async () => {
  router = await startTestRouter(model);
  prefill = await router.world.add('prefill-0', PREFILL, { answer: story });
  decode = await router.world.add('decode-0', DECODE, { answer: story });
  router.publish();
});
afterEach(async () => {
  const violations = await router.world.settled();
  await router.close();
  expect(violations).toEqual([]);
});

function chat() {
  return router.openai.chat.completions.create({ model: model.name, messages });
}

async function contentOf(answer: ReturnType<typeof chat>): Promise<string | null | undefined> {
  return (await answer).choices[0]?.message.content;
}

/** Reads a raw SSE stream to its end. */
async function rawStream(): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: model.name, messages, stream: true }),
  });
}

function generate(): AsyncIterable<inference.GenerateResponse> {
  const request = inference.GenerateRequest.fromPartial({
    model: model.name,
    input: { $case: 'chat', value: { messages } },
  });
  return callServerStream(router.grpcClient, 'generate', request, { timeoutMs: 10_000 });
}

async function failureOf(work: Promise<unknown> | AsyncIterable<unknown>): Promise<unknown> {
  try {
    if ('then' in work) await work;
    else for await (const _ of work);
  } catch (error) {
    return error;
  }
  throw new Error('it did not fail');
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const result = await work;
  expect(performance.now() - startedAt).toBeLessThan(limitMs);
  return result;
}

test('a full queue is 429 with a hint, before any prefill', async () => {
  decode.script.queueFull = true;
  const error = await failureOf(chat());
  expect(error).toBeInstanceOf(RateLimitError);
  expect((error as APIError).headers?.get('retry-after-ms')).toBe('250');
  expect((error as APIError).error).toMatchObject({ type: 'rate_limit_error', code: 'queue_full' });
  expect(router.world.requests.prefill).toEqual([]);
  expect(await failureOf(generate())).toMatchObject({ code: 'QUEUE_FULL', retryAfterMs: 250, member: 'decode-0' });
});

test('with one queue full another decode TE takes the request', async () => {
  decode.script.queueFull = true;
  await router.world.add('decode-1', DECODE, { answer: story });
  router.publish();
  expect(await contentOf(chat())).toBe(story);
  expect(router.world.requests.reserve.length).toBe(2);
});

test('no decode TE is 503 with what is missing', async () => {
  router.membership.set([prefill.member]);
  const error = await failureOf(chat());
  expect(error).toBeInstanceOf(InternalServerError);
  expect((error as APIError).status).toBe(503);
  expect((error as APIError).message).toContain('missing a serving decode TE of switchyard-tiny');
});

test('TEs of another digest or numeric class are never paired', async () => {
  const stranger = prefill.member;
  if (stranger.model) stranger.model.numericClass = 'fp32/other';
  router.membership.set([stranger, decode.member]);
  expect(((await failureOf(chat())) as APIError).message).toContain('numeric class');
  const old = decode.member;
  if (old.model) old.model.digest = '00';
  router.membership.set([prefill.member, old]);
  expect(((await failureOf(chat())) as APIError).status).toBe(503);
});

test('prefill killed while it works: 503 with an error body', async () => {
  prefill.script.onPrefill = (te) => te.kill();
  const error = await within(KILL_LIMIT_MS, failureOf(chat()));
  expect((error as APIError).status).toBe(503);
  expect((error as APIError).error).toMatchObject({ type: 'server_error', code: 'member_unavailable' });
  expect((error as APIError).headers?.get('retry-after')).toBe('1');
});

test('prefill killed while it works, with a second one: the right answer', async () => {
  prefill.script.onPrefill = (te) => te.kill();
  await router.world.add('prefill-1', PREFILL, { answer: story });
  router.publish();
  expect(await within(KILL_LIMIT_MS, contentOf(chat()))).toBe(story);
});

test('decode killed while the prompt is prefilled: noticed at once, the prefill is cancelled', async () => {
  prefill.script.prefillMs = 10_000;
  prefill.script.onPrefill = () => decode.kill();
  const error = await within(KILL_LIMIT_MS, failureOf(chat()));
  expect((error as APIError).status).toBe(503);
});

test('decode killed while the prompt is prefilled, with a second one: the right answer', async () => {
  prefill.script.prefillMs = 300;
  const killFirst = () => {
    delete prefill.script.onPrefill;
    decode.kill();
  };
  prefill.script.onPrefill = killFirst;
  await router.world.add('decode-1', DECODE, { answer: story });
  router.publish();
  expect(await within(KILL_LIMIT_MS, contentOf(chat()))).toBe(story);
});

test('decode killed in mid-stream: an SSE error event and no [DONE]', async () => {
  decode.script.onToken = (te, numGenerated) => {
    if (numGenerated === 5) te.kill();
  };
  const response = await rawStream();
  expect(response.status).toBe(200);
  const text = await within(KILL_LIMIT_MS, response.text());
  const last = text.trimEnd().split('\n\n').at(-1) ?? '';
  expect(last).toContain('event: error');
  expect(JSON.parse(last.slice(last.indexOf('{')))).toMatchObject({
    error: { type: 'server_error', code: 'member_unavailable' },
  });
  expect(text).not.toContain('[DONE]');
});

test('decode killed in mid-stream: the official client throws', async () => {
  decode.script.onToken = (te, numGenerated) => {
    if (numGenerated === 5) te.kill();
  };
  const stream = await router.openai.chat.completions.create({ model: model.name, messages, stream: true });
  const error = await within(KILL_LIMIT_MS, failureOf(stream));
  expect(error).toBeInstanceOf(APIError);
});

test('decode killed in mid-stream: gRPC UNAVAILABLE that names the member', async () => {
  decode.script.onToken = (te, numGenerated) => {
    if (numGenerated === 5) te.kill();
  };
  expect(await within(KILL_LIMIT_MS, failureOf(generate()))).toMatchObject({
    code: 'MEMBER_UNAVAILABLE',
    member: 'decode-0',
  });
});

test('a rank of decode died: the error names the rank', async () => {
  decode.script.onToken = (_te, numGenerated) => {
    if (numGenerated === 3) throw new ServiceError('MEMBER_UNAVAILABLE', 'expert-1 is gone', { member: 'expert-1' });
  };
  expect(await failureOf(generate())).toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'expert-1' });
});

test('KV lost between prefill and decode is 503, not the 404 of a handle', async () => {
  decode.script.onToken = () => {
    throw new ServiceError('HANDLE_UNKNOWN', 'no such handle');
  };
  expect(((await failureOf(chat())) as APIError).status).toBe(503);
});

test('a TE that stands still and leaves the membership ends its requests', async () => {
  decode.script.tokenMs = 60_000;
  decode.script.onToken = () => router.membership.set([prefill.member]);
  expect(await within(KILL_LIMIT_MS, failureOf(generate()))).toMatchObject({
    code: 'MEMBER_UNAVAILABLE',
    member: 'decode-0',
  });
});

test('after a restart the service answers again', async () => {
  decode.kill();
  expect(((await failureOf(chat())) as APIError).status).toBe(503);
  await decode.restart();
  router.publish();
  expect(await within(KILL_LIMIT_MS, contentOf(chat()))).toBe(story);
});

test('a preempted sequence goes on where it was', async () => {
  const numTokens = model.tokenizer.encode(story).length;
  decode.script.preemptAt = [3, numTokens - 2];
  // At the same count it would be preempted again and again: the second time it passes.
  const seen = new Set<number>();
  decode.script.onToken = (te, numGenerated) => {
    if (seen.has(numGenerated))
      te.script.preemptAt = te.script.preemptAt?.filter((count) => count !== numGenerated) ?? [];
    seen.add(numGenerated);
  };
  expect(await contentOf(chat())).toBe(story);
  expect(router.world.requests.prefill.length).toBe(3);
  const [first, second] = router.world.requests.prefill;
  expect(second?.numPromptTokens).toBe(first?.tokenIds.length);
  expect(second?.tokenIds.slice(second.numPromptTokens)).toEqual(model.tokenizer.encode(story).slice(0, 3));
});
