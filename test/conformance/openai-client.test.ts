// The official OpenAI client for Node is the judge of the HTTP API: what it parses, and the error classes it makes.
import { userMessageOf, visibleText } from '@switchyard/testkit';
import OpenAI from 'openai';
import { beforeAll, describe, expect, test } from 'vitest';
import { GOLDEN, MODEL, useSystem } from '../framework/use-system.js';

const [STORY, SUM] = GOLDEN;
if (STORY === undefined || SUM === undefined) throw new Error('the golden file has too few rows');
const STORY_TEXT = visibleText(STORY);
const MESSAGES = [{ role: 'user' as const, content: userMessageOf(STORY) ?? '' }];
const SUM_MESSAGES = [{ role: 'user' as const, content: userMessageOf(SUM) ?? '' }];
const GREEDY = { model: MODEL, temperature: 0, max_tokens: 64 };

const at = useSystem({ topology: 'full' });
let client: OpenAI;
beforeAll(() => {
  client = new OpenAI({ baseURL: `${at.system.http}/v1`, apiKey: 'unused', maxRetries: 0, timeout: 30_000 });
});

test('lists and retrieves the model', async () => {
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  expect(models).toEqual([MODEL]);
  expect(await client.models.retrieve(MODEL)).toMatchObject({ id: MODEL, object: 'model' });
});

describe('chat completions', () => {
  test('answers whole', async () => {
    const completion = await client.chat.completions.create({ ...GREEDY, messages: SUM_MESSAGES });
    expect(completion).toMatchObject({
      object: 'chat.completion',
      model: MODEL,
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: visibleText(SUM), refusal: null } },
      ],
    });
    expect(completion.usage?.prompt_tokens).toBe(SUM.ids.length);
    expect(completion.usage?.total_tokens).toBe(SUM.ids.length + (completion.usage?.completion_tokens ?? 0));
  });

  test('streams, with usage when asked for', async () => {
    const stream = await client.chat.completions.create({
      ...GREEDY,
      messages: MESSAGES,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe(STORY_TEXT);
    expect(chunks[0]?.choices[0]?.delta.role).toBe('assistant');
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
    const finishes = chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? []);
    expect(finishes).toEqual(['length']);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: STORY.ids.length, completion_tokens: 64 },
    });
  });

  test('gives the assembled message by the streaming helper', async () => {
    const runner = client.chat.completions.stream({ ...GREEDY, messages: SUM_MESSAGES });
    expect((await runner.finalChatCompletion()).choices[0]?.message.content).toBe(visibleText(SUM));
  });

  test('reports logprobs with alternatives', async () => {
    const completion = await client.chat.completions.create({
      ...GREEDY,
      messages: SUM_MESSAGES,
      max_tokens: 5,
      logprobs: true,
      top_logprobs: 3,
    });
    const tokens = completion.choices[0]?.logprobs?.content ?? [];
    expect(tokens).toHaveLength(5);
    expect(tokens.map((token) => token.token).join('')).toBe(completion.choices[0]?.message.content);
    for (const token of tokens) {
      expect(token.logprob).toBeLessThanOrEqual(0);
      expect(token.top_logprobs).toHaveLength(3);
      expect(token.top_logprobs[0]).toMatchObject({ token: token.token, logprob: token.logprob }); // greedy: the best is taken
      expect(new TextDecoder().decode(Uint8Array.from(token.bytes ?? []))).toBe(token.token);
    }
  });

  test('ends at a stop string across token borders and leaves it out', async () => {
    const stop = STORY_TEXT.slice(20, 31);
    const completion = await client.chat.completions.create({ ...GREEDY, messages: MESSAGES, stop: [stop] });
    expect(completion.choices[0]).toMatchObject({
      finish_reason: 'stop',
      message: { content: STORY_TEXT.slice(0, STORY_TEXT.indexOf(stop)) },
    });
  });

  test('repeats an answer for a seed, and varies it for others', async () => {
    const ask = async (seed: number) => {
      const request = { model: MODEL, messages: MESSAGES, temperature: 1.2, max_completion_tokens: 24, seed };
      return (await client.chat.completions.create(request)).choices[0]?.message.content ?? '';
    };
    const answers = await Promise.all([7, 7, 8, 9].map(ask));
    expect(answers[1]).toBe(answers[0]);
    expect(new Set(answers).size).toBeGreaterThan(1);
  });

  test('takes content parts and a system turn', async () => {
    const completion = await client.chat.completions.create({
      ...GREEDY,
      messages: [
        { role: 'system', content: 'You are helpful.' },
        { role: 'user', content: [{ type: 'text', text: MESSAGES[0]?.content ?? '' }] },
      ],
    });
    expect(completion.choices[0]?.message.content).not.toBe('');
  });
});

describe('completions', () => {
  test('continue text, and token ids the same', async () => {
    const prompts = [STORY.text, STORY.ids];
    for (const prompt of prompts) {
      const completion = await client.completions.create({ ...GREEDY, prompt });
      expect(completion).toMatchObject({
        object: 'text_completion',
        choices: [{ text: STORY_TEXT, finish_reason: 'length' }],
      });
    }
  });

  test('answer several prompts in order', async () => {
    const completion = await client.completions.create({ ...GREEDY, prompt: [STORY.text, SUM.text] });
    expect(completion.choices.map((choice) => choice.index)).toEqual([0, 1]);
    expect(completion.choices.map((choice) => choice.text)).toEqual([STORY_TEXT, visibleText(SUM)]);
  });

  test('stream', async () => {
    let text = '';
    for await (const chunk of await client.completions.create({ ...GREEDY, prompt: STORY.text, stream: true })) {
      text += chunk.choices[0]?.text ?? '';
    }
    expect(text).toBe(STORY_TEXT);
  });

  test('report logprobs in their own form', async () => {
    const completion = await client.completions.create({ ...GREEDY, prompt: SUM.text, max_tokens: 4, logprobs: 2 });
    const logprobs = completion.choices[0]?.logprobs;
    expect(logprobs?.tokens?.join('')).toBe(completion.choices[0]?.text);
    expect(logprobs?.token_logprobs).toHaveLength(4);
    expect(logprobs?.top_logprobs).toHaveLength(4);
    expect(logprobs?.text_offset?.[0]).toBe(0);
  });
});

describe('headers', () => {
  test('echo the request id and name the trace', async () => {
    const { response } = await client.chat.completions
      .create({ ...GREEDY, messages: SUM_MESSAGES }, { headers: { 'x-request-id': 'conformance-1' } })
      .withResponse();
    expect(response.headers.get('x-request-id')).toBe('conformance-1');
    expect(response.headers.get('x-trace-id')).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('errors become the classes of the client', () => {
  test('unknown model: NotFoundError', async () => {
    const call = client.chat.completions.create({ ...GREEDY, model: 'gpt-0', messages: MESSAGES });
    await expect(call).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  });

  test.each([
    ['n', { n: 2 }],
    ['presence_penalty', { presence_penalty: 0.5 }],
    ['frequency_penalty', { frequency_penalty: -1 }],
    ['tools', { tools: [{ type: 'function' as const, function: { name: 'f', parameters: {} } }] }],
    ['response_format', { response_format: { type: 'json_object' as const } }],
    ['logit_bias', { logit_bias: { '5': 10 } }],
  ])('what is not there yet is refused by its name: %s', async (name, extra) => {
    const error = await client.chat.completions
      .create({ ...GREEDY, messages: MESSAGES, ...extra })
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, param: name, type: 'invalid_request_error' });
    expect((error as Error).message).toContain(name);
  });
});
