// The rest of the HTTP API: models, health, metrics, headers, text completions, log-probabilities, stop strings, seeds.
import type { OpenedModel } from '@switchyard/model-files';
import { cluster } from '@switchyard/proto';
import { NotFoundError } from 'openai';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const { PREFILL, DECODE } = cluster.MemberKind;
const story = 'Once upon a time a brave fox 🦊 crossed the river.';
const messages = [{ role: 'user' as const, content: 'Tell me a story.' }];

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

function post(body: object, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: model.name, messages, ...body }),
  });
}

describe('models and health', () => {
  test('the served model', async () => {
    const models = [];
    for await (const entry of router.openai.models.list()) models.push(entry);
    expect(models.map((entry) => entry.id)).toEqual(['switchyard-tiny']);
    expect(await router.openai.models.retrieve('switchyard-tiny')).toMatchObject({
      object: 'model',
      owned_by: 'switchyard',
    });
    await expect(router.openai.models.retrieve('gpt-9')).rejects.toBeInstanceOf(NotFoundError);
  });

  test('healthz says what is missing', async () => {
    expect((await fetch(`${router.url}/healthz`)).status).toBe(200);
    router.membership.set([]);
    const response = await fetch(`${router.url}/healthz`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({
      status: 'unavailable',
      missing: ['a serving decode TE of switchyard-tiny', 'a serving prefill TE of switchyard-tiny'],
    });
  });

  test('a colocated decode TE is enough', async () => {
    const te = await router.world.add('both-0', DECODE, { answer: story }, { colocated: true });
    router.membership.set([te.member]);
    expect((await fetch(`${router.url}/healthz`)).status).toBe(200);
    const answer = await router.openai.chat.completions.create({ model: model.name, messages });
    expect(answer.choices[0]?.message.content).toBe(story);
  });
});

describe('headers', () => {
  test('a request id is taken, echoed and passed on, with tenant and salt', async () => {
    const headers = { 'x-request-id': 'abc-1', 'x-switchyard-tenant': 'acme', 'x-switchyard-cache-salt': 'salt' };
    const response = await post({}, headers);
    expect(response.headers.get('x-request-id')).toBe('abc-1');
    await response.text();
    const identity = { requestId: 'abc-1', tenant: 'acme', cacheSalt: 'salt' };
    expect(router.world.requests.prefill[0]?.identity).toMatchObject(identity);
    expect(router.world.requests.reserve[0]?.identity).toMatchObject(identity);
  });

  test('without one there are a fresh id and the default tenant, also for a stream', async () => {
    const response = await post({ stream: true });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(response.headers.get('x-trace-id')).toMatch(/^[0-9a-f]{32}$/);
    await response.text();
    expect(router.world.requests.prefill[0]?.identity).toMatchObject({ tenant: 'default', cacheSalt: '' });
  });
});

describe('sampling and stops', () => {
  test("defaults are the model's own, the seed is drawn", async () => {
    await (await post({})).text();
    await (await post({ temperature: 0, top_p: 0.5, top_k: 7, min_p: 0.1, seed: 42 })).text();
    const [first, second] = router.world.requests.prefill;
    expect(first?.sampling).toMatchObject({ temperature: 0.7, topP: 0.9, topK: 0, minP: 0 });
    expect(first?.sampling?.seed).toBeLessThan(2n ** 53n);
    expect(second?.sampling).toMatchObject({ temperature: 0, topP: 0.5, topK: 7, minP: 0.1, seed: 42n });
    expect(first?.sampling?.seed).not.toBe(second?.sampling?.seed);
  });

  test('a stop string ends the answer', async () => {
    const answer = await router.openai.chat.completions.create({ model: model.name, messages, stop: ' crossed' });
    expect(answer.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: 'Once upon a time a brave fox 🦊' },
    });
    const seen = router.world.requests.prefill[0]?.stop;
    expect(seen).toMatchObject({ stopStrings: [' crossed'], stopTokenIds: model.spec.eosTokenIds });
  });

  test('log-probabilities of a chat, streamed and whole', async () => {
    const asked = { model: model.name, messages, logprobs: true, top_logprobs: 2 } as const;
    const whole = await router.openai.chat.completions.create(asked);
    const content = whole.choices[0]?.logprobs?.content ?? [];
    expect(content.length).toBe(whole.usage?.completion_tokens);
    expect(content[0]).toMatchObject({ token: 'Once', logprob: expect.closeTo(Math.log(0.5), 5) });
    expect(content[0]?.top_logprobs.length).toBe(2);
    const streamed = [];
    for await (const chunk of await router.openai.chat.completions.create({ ...asked, stream: true })) {
      streamed.push(...(chunk.choices[0]?.logprobs?.content ?? []));
    }
    expect(streamed).toEqual(content);
  });
});

describe('text completions', () => {
  test('a text, with the default of 16 tokens', async () => {
    const answer = await router.openai.completions.create({ model: model.name, prompt: 'Once' });
    const expected = model.tokenizer.decode(model.tokenizer.encode(story).slice(0, 16));
    expect(answer.choices[0]?.text).toBe(answer.choices[0]?.finish_reason === 'stop' ? story : expected);
    expect(router.world.requests.reserve[0]?.stop?.maxTokens).toBe(16);
  });

  test('several prompts, of texts and of token ids', async () => {
    const answer = await router.openai.completions.create({
      model: model.name,
      prompt: ['Once', 'Twice', 'Thrice'],
      max_tokens: 100,
    });
    expect(answer.choices.map((choice) => [choice.index, choice.text])).toEqual([
      [0, story],
      [1, story],
      [2, story],
    ]);
    const ids = await router.openai.completions.create({ model: model.name, prompt: [[5, 6], [7]], max_tokens: 100 });
    expect(ids.choices.length).toBe(2);
    expect(ids.usage?.prompt_tokens).toBe(3);
    const prompts = router.world.requests.prefill.slice(3).map((request) => request.tokenIds);
    expect(prompts.sort()).toEqual([[5, 6], [7]]);
  });

  test('several prompts in one stream', async () => {
    const stream = await router.openai.completions.create({
      model: model.name,
      prompt: ['Once', 'Twice'],
      max_tokens: 100,
      stream: true,
      stream_options: { include_usage: true },
    });
    const texts = ['', ''];
    let usage: { completion_tokens: number } | null | undefined;
    for await (const chunk of stream) {
      for (const choice of chunk.choices) texts[choice.index] += choice.text;
      usage = chunk.usage;
    }
    expect(texts).toEqual([story, story]);
    expect(usage?.completion_tokens).toBe(2 * (model.tokenizer.encode(story).length + 1));
  });

  test('one prompt that fails ends all of them with one error', async () => {
    const te = router.world.tes[1];
    if (!te) throw new Error('no decode TE');
    te.script.onToken = (killed, numGenerated) => {
      if (numGenerated === 3) killed.kill();
    };
    const failed = router.openai.completions.create({ model: model.name, prompt: ['a', 'b', 'c'], max_tokens: 100 });
    await expect(failed).rejects.toMatchObject({ status: 503 });
    expect(router.runner.numActive).toBe(0);
  });
});
