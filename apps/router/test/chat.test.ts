// The job flow seen by clients, streaming and not, over HTTP (official client) and gRPC, on scripted TEs.
import { callServerStream, callUnary } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster, inference } from '@switchyard/proto';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const { PREFILL, DECODE } = cluster.MemberKind;
const story = 'Once upon a time a brave fox 🦊 crossed the river.';
const messages = [{ role: 'user' as const, content: 'Tell me a story about a brave fox.' }];

let model: OpenedModel;
let router: TestRouter;

beforeAll(async () => {
  model = await openTinyModel();
});
beforeEach(async () => {
  router = await startTestRouter(model);
  await router.world.add('prefill-0', PREFILL, { answer: story });
  await router.world.add('decode-0', DECODE, { answer: story });
  router.publish();
});
afterEach(async () => {
  const violations = await router.world.settled();
  await router.close();
  expect(violations).toEqual([]);
});

describe('chat by HTTP', () => {
  test('a whole answer', async () => {
    const answer = await router.openai.chat.completions.create({ model: model.name, messages });
    expect(answer.choices[0]?.message).toMatchObject({ role: 'assistant', content: story });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(answer.usage?.completion_tokens).toBe(model.tokenizer.encode(story).length + 1);
    expect(answer.usage?.prompt_tokens).toBe(model.tokenizer.encodeChat(messages).length);
  });

  test('a stream, token by token', async () => {
    const stream = await router.openai.chat.completions.create({
      model: model.name,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(story);
    expect(chunks.at(-2)?.choices[0]?.finish_reason).toBe('stop');
    expect(chunks.at(-1)?.usage?.completion_tokens).toBe(model.tokenizer.encode(story).length + 1);
    expect(chunks.length).toBeGreaterThan(10);
  });

  test('the first token is the last: the handle is released and decode never started', async () => {
    const answer = await router.openai.chat.completions.create({ model: model.name, messages, max_tokens: 1 });
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage?.completion_tokens).toBe(1);
    await router.world.settled();
    expect([...router.world.handles.values()].map((handle) => handle.state)).toEqual(['released']);
  });
});

describe('Generate by gRPC', () => {
  test('started, deltas, usage', async () => {
    const request = inference.GenerateRequest.fromPartial({
      model: model.name,
      input: { $case: 'chat', value: { messages } },
      sampling: { temperature: 0, seed: 7n },
      requestId: 'my-request',
    });
    const events: inference.GenerateResponse[] = [];
    for await (const event of callServerStream(router.grpcClient, 'generate', request, { timeoutMs: 5_000 }))
      events.push(event);
    const [started] = events;
    expect(started?.event).toMatchObject({
      $case: 'started',
      value: { requestId: 'my-request', model: model.name, role: 'assistant', seed: 7n },
    });
    const text = events.map(({ event }) => (event?.$case === 'delta' ? event.value.text : '')).join('');
    expect(text).toBe(story);
    expect(events.at(-1)?.event).toMatchObject({
      $case: 'usage',
      value: { completionTokens: model.tokenizer.encode(story).length + 1 },
    });
  });

  test('the served model', async () => {
    const { models } = await callUnary(router.grpcClient, 'listModels', {}, { timeoutMs: 2_000 });
    expect(models).toEqual([{ name: model.name, contextTokens: model.contextTokens, digest: model.weights.digest }]);
  });
});
