// Two models behind one router, the second being the first's files under another name, so that only the name tells them apart:
// lists, choice by name, and one model without TEs while the other serves.
import { callServerStream, callUnary, ServiceError } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster, inference } from '@switchyard/proto';
import { APIError, NotFoundError } from 'openai';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const { PREFILL, DECODE } = cluster.MemberKind;
const messages = [{ role: 'user' as const, content: 'Tell me a story.' }];
const limits = { timeoutMs: 10_000 };
const answers = { 'switchyard-tiny': 'A brave fox.', twin: 'A shy bear.' };
const names = Object.keys(answers) as (keyof typeof answers)[];

let tiny: OpenedModel;
let twin: OpenedModel;
let router: TestRouter;

beforeAll(async () => {
  tiny = await openTinyModel();
  twin = await openTinyModel('twin');
});
beforeEach(async () => {
  router = await startTestRouter(tiny, { others: [twin] });
  await router.world.add('prefill-0', PREFILL, { answer: answers['switchyard-tiny'] });
  await router.world.add('decode-0', DECODE, { answer: answers['switchyard-tiny'] });
  await router.world.add('prefill-1', PREFILL, { answer: answers.twin }, { model: twin });
  await router.world.add('decode-1', DECODE, { answer: answers.twin }, { model: twin });
  router.publish();
});
afterEach(async () => {
  const violations = await router.world.settled();
  await router.close();
  expect(violations).toEqual([]);
});

/** Makes the members all TEs but these. */
function publishWithout(...ids: string[]): void {
  router.membership.set(router.world.tes.filter(({ id }) => !ids.includes(id)).map((te) => te.member));
}

async function chat(model: string): Promise<string | null | undefined> {
  return (await router.openai.chat.completions.create({ model, messages })).choices[0]?.message.content;
}

async function generate(model: string): Promise<string> {
  const chatInput = { $case: 'chat' as const, value: { messages } };
  const request = inference.GenerateRequest.fromPartial({ model, input: chatInput });
  let text = '';
  for await (const { event } of callServerStream(router.grpcClient, 'generate', request, limits)) {
    if (event?.$case === 'delta') text += event.value.text;
  }
  return text;
}

async function failureOf(promise: Promise<unknown>): Promise<APIError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof APIError) return error;
  throw new Error(`not an API error: ${error}`);
}

async function health(): Promise<unknown> {
  const response = await fetch(`${router.url}/healthz`);
  return { status: response.status, body: await response.json() };
}

test('both are listed, by HTTP and gRPC, and each is found', async () => {
  const listed = [];
  for await (const { id } of router.openai.models.list()) listed.push(id);
  expect(listed).toEqual(names);
  for (const name of names) expect(await router.openai.models.retrieve(name)).toMatchObject({ id: name });
  const { models } = await callUnary(router.grpcClient, 'listModels', {}, limits);
  expect(models.map(({ name }) => name)).toEqual(names);
});

test('a request goes to the TEs of the model it names', async () => {
  const both = names.flatMap((name) => [chat(name), generate(name), chat(name)]);
  const expected = names.flatMap((name) => [answers[name], answers[name], answers[name]]);
  expect(await Promise.all(both)).toEqual(expected);
});

test('a model that is not there is refused with the names of those that are', async () => {
  const error = await failureOf(chat('gpt-9'));
  expect(error).toBeInstanceOf(NotFoundError);
  expect(error.message).toContain("'gpt-9' does not exist; this service has 'switchyard-tiny', 'twin'");
  await expect(generate('gpt-9')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND', field: 'model' });
  const unknown = await failureOf(router.openai.models.retrieve('gpt-9'));
  expect(unknown.message).toContain('switchyard-tiny, twin');
});

test.each(['prefill-1', 'decode-1'])('without %s its model is 503 and the other one serves', async (absent) => {
  expect(await health()).toEqual({ status: 200, body: { status: 'ok' } });
  publishWithout(absent);
  const error = await failureOf(chat('twin'));
  expect(error.status).toBe(503);
  expect(error.message).toContain(`missing a serving ${absent.split('-')[0]} TE of twin`);
  await expect(generate('twin')).rejects.toBeInstanceOf(ServiceError);
  expect(await chat('switchyard-tiny')).toBe(answers['switchyard-tiny']);
  const missing = [`a serving ${absent.split('-')[0]} TE of twin`];
  expect(await health()).toEqual({ status: 200, body: { status: 'degraded', missing } });
});

test('health waits for all models once, and then for one', async () => {
  publishWithout('decode-1');
  expect(await health()).toMatchObject({ status: 503, body: { missing: ['a serving decode TE of twin'] } });
  router.publish();
  expect(await health()).toMatchObject({ status: 200 });
  publishWithout('decode-0');
  expect(await health()).toMatchObject({ status: 200, body: { status: 'degraded' } });
  publishWithout('decode-0', 'decode-1');
  expect(await health()).toMatchObject({ status: 503, body: { status: 'unavailable' } });
});
