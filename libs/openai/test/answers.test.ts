// Answers as the official client reads them: its transport is replaced by one that hands our bodies over.
import OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import {
  type AnswerLogprob,
  type AnswerPart,
  ApiError,
  chatChunk,
  chatCompletion,
  chatFirstChunk,
  chatUsageChunk,
  completion,
  completionChunk,
  completionUsageChunk,
  contextLengthExceeded,
  internalError,
  invalidRequest,
  modelBody,
  modelList,
  modelNotFound,
  SSE_DONE,
  sseError,
  sseEvent,
  TextLogprobsWriter,
  tooManyRequests,
  unavailable,
} from '../src/index.js';

const head = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'm' };
const usage = { promptTokens: 5, completionTokens: 2, cachedPromptTokens: 3 };
const usageOnTheWire = {
  prompt_tokens: 5,
  completion_tokens: 2,
  total_tokens: 7,
  prompt_tokens_details: { cached_tokens: 3 },
};
const utf8 = (text: string) => new TextEncoder().encode(text);
const logprob = (text: string, value: number): AnswerLogprob => ({
  logprob: value,
  tokenBytes: utf8(text),
  top: [
    { logprob: value, tokenBytes: utf8(text) },
    { logprob: Number.NEGATIVE_INFINITY, tokenBytes: new Uint8Array([0xf0, 0x9f]) },
  ],
});
const part = (text: string, change: Partial<AnswerPart> = {}): AnswerPart => ({
  text,
  logprobs: null,
  finishReason: null,
  ...change,
});
const chatRequest = { model: 'm', messages: [{ role: 'user' as const, content: 'Hi' }] };
const textRequest = { model: 'm', prompt: 'Hi' };

/** A client whose every request gets this answer. */
function clientOf(body: string, init: ResponseInit): OpenAI {
  const fetch = async () => new Response(body, init);
  return new OpenAI({ apiKey: 'none', baseURL: 'http://localhost/v1', fetch, maxRetries: 0 });
}

const jsonClient = (body: object, status = 200) =>
  clientOf(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } });

const streamClient = (...events: string[]) =>
  clientOf(events.join(''), { headers: { 'content-type': 'text/event-stream' } });

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

describe('chat', () => {
  test('a whole answer', async () => {
    const answer = part('A fox.', { logprobs: [logprob(' fox', -0.25)], finishReason: 'stop' });
    const read = await jsonClient(chatCompletion(head, answer, usage)).chat.completions.create(chatRequest);
    expect(read).toMatchObject({ id: 'chatcmpl-1', object: 'chat.completion', created: 1_700_000_000, model: 'm' });
    expect(read.choices[0]).toMatchObject({
      index: 0,
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'A fox.', refusal: null },
    });
    expect(read.choices[0]?.logprobs?.content?.[0]).toEqual({
      token: ' fox',
      logprob: -0.25,
      bytes: [32, 102, 111, 120],
      top_logprobs: [
        { token: ' fox', logprob: -0.25, bytes: [32, 102, 111, 120] },
        { token: '\\xf0\\x9f', logprob: -9999, bytes: [0xf0, 0x9f] },
      ],
    });
    expect(read.usage).toEqual(usageOnTheWire);
  });

  test('a stream with usage', async () => {
    const client = streamClient(
      sseEvent(chatFirstChunk(head, true)),
      sseEvent(chatChunk(head, part('A\n\ndata: fox', { logprobs: [logprob('A', -1)] }), true)),
      sseEvent(chatChunk(head, part('', { finishReason: 'length' }), true)),
      sseEvent(chatUsageChunk(head, usage)),
      SSE_DONE,
    );
    const chunks = await collect(await client.chat.completions.create({ ...chatRequest, stream: true }));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { content: 'A\n\ndata: fox' },
      {},
      undefined,
    ]);
    expect(chunks.map((chunk) => chunk.usage)).toEqual([null, null, null, usageOnTheWire]);
    expect(chunks[1]?.choices[0]?.logprobs?.content?.[0]?.token).toBe('A');
    expect(chunks[2]?.choices[0]?.finish_reason).toBe('length');
    expect(chunks.every((chunk) => chunk.object === 'chat.completion.chunk' && chunk.id === head.id)).toBe(true);
  });

  test('a stream without usage says nothing of it', () => {
    expect(chatFirstChunk(head, false)).not.toHaveProperty('usage');
    expect(chatChunk(head, part('a'), false)).not.toHaveProperty('usage');
  });

  test('a stream that the client puts together itself', async () => {
    const client = streamClient(
      sseEvent(chatFirstChunk(head, false)),
      sseEvent(chatChunk(head, part('A '), false)),
      sseEvent(chatChunk(head, part('fox', { finishReason: 'stop' }), false)),
      SSE_DONE,
    );
    expect(await client.chat.completions.stream(chatRequest).finalContent()).toBe('A fox');
  });

  test('a stream that fails', async () => {
    const body = unavailable('expert-1 has died').toBody();
    const client = streamClient(sseEvent(chatChunk(head, part('A'), false)), sseError(body));
    const read: string[] = [];
    const reading = async () => {
      for await (const chunk of await client.chat.completions.create({ ...chatRequest, stream: true })) {
        read.push(chunk.choices[0]?.delta.content ?? '');
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'service_unavailable', error: body.error });
    expect(read).toEqual(['A']);
  });
});

describe('completions', () => {
  test('answers to several prompts', async () => {
    const answers = [
      part(' fox ran', { logprobs: [logprob(' fox', -0.25), logprob(' ran', -0.5)], finishReason: 'length' }),
      part(' owl', { finishReason: 'stop' }),
    ];
    const read = await jsonClient(completion(head, answers, usage)).completions.create(textRequest);
    expect(read.choices).toEqual([
      {
        index: 0,
        text: ' fox ran',
        finish_reason: 'length',
        logprobs: {
          tokens: [' fox', ' ran'],
          token_logprobs: [-0.25, -0.5],
          top_logprobs: [
            { ' fox': -0.25, 'bytes:\\xf0\\x9f': -9999 },
            { ' ran': -0.5, 'bytes:\\xf0\\x9f': -9999 },
          ],
          text_offset: [0, 4],
        },
      },
      { index: 1, text: ' owl', finish_reason: 'stop', logprobs: null },
    ]);
    expect([read.object, read.usage]).toEqual(['text_completion', usageOnTheWire]);
  });

  test('a stream of two prompts, with offsets that run on', async () => {
    const [first, second] = [new TextLogprobsWriter(), new TextLogprobsWriter()];
    const piece = (text: string) => part(text, { logprobs: [logprob(text, -1)] });
    const client = streamClient(
      sseEvent(completionChunk(head, 0, piece(' fox'), first, true)),
      sseEvent(completionChunk(head, 1, piece(' owl'), second, true)),
      sseEvent(completionChunk(head, 0, piece(' ran'), first, true)),
      sseEvent(completionUsageChunk(head, usage)),
      SSE_DONE,
    );
    const chunks = await collect(await client.completions.create({ ...textRequest, stream: true }));
    const choices = chunks.map((chunk) => chunk.choices[0]);
    expect(choices.map((choice) => choice && [choice.index, choice.text, choice.logprobs?.text_offset])).toEqual([
      [0, ' fox', [0]],
      [1, ' owl', [0]],
      [0, ' ran', [4]],
      undefined,
    ]);
    expect(chunks.map((chunk) => chunk.usage)).toEqual([null, null, null, usageOnTheWire]);
  });
});

test('models', async () => {
  const entry = { name: 'm', created: 1_700_000_000, contextTokens: 1024 };
  const expected = { id: 'm', object: 'model', created: 1_700_000_000, owned_by: 'switchyard', max_model_len: 1024 };
  expect(await collect(await jsonClient(modelList([entry])).models.list())).toEqual([expected]);
  expect(await jsonClient(modelBody(entry)).models.retrieve('m')).toMatchObject(expected);
});

describe('errors', () => {
  test.each<[ApiError, new (...args: never[]) => Error, number, string | null, string | null]>([
    [invalidRequest("Unknown parameter: 'x'.", 'x'), OpenAI.BadRequestError, 400, 'invalid_value', 'x'],
    [
      contextLengthExceeded(8, '9 tokens', 'messages'),
      OpenAI.BadRequestError,
      400,
      'context_length_exceeded',
      'messages',
    ],
    [modelNotFound('x', ['m']), OpenAI.NotFoundError, 404, 'model_not_found', 'model'],
    [tooManyRequests('full'), OpenAI.RateLimitError, 429, 'rate_limit_exceeded', null],
    [internalError('a bug'), OpenAI.InternalServerError, 500, 'internal_error', null],
    [unavailable('nobody there'), OpenAI.InternalServerError, 503, 'service_unavailable', null],
    [new ApiError(413, 'invalid_request_error', 'too long'), OpenAI.APIError, 413, null, null],
  ])('%s', async (error, expectedClass, status, code, param) => {
    const call = jsonClient(error.toBody(), error.status).chat.completions.create(chatRequest);
    await expect(call).rejects.toBeInstanceOf(expectedClass);
    await expect(call).rejects.toMatchObject({ status, code, param, type: error.type });
  });
});
