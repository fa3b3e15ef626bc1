// Every bad HTTP request gets a clear error in the API's own form, and the next good one is answered. No TE sees any of it.
import { connect } from 'node:net';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster } from '@switchyard/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const messages = [{ role: 'user', content: 'Hello' }];
const chatPath = '/v1/chat/completions';
const completionPath = '/v1/completions';

let model: OpenedModel;
let router: TestRouter;

beforeAll(async () => {
  model = await openTinyModel();
  router = await startTestRouter(model);
  await router.world.add('prefill-0', cluster.MemberKind.PREFILL, { answer: 'Hi.' });
  await router.world.add('decode-0', cluster.MemberKind.DECODE, { answer: 'Hi.' });
  router.publish();
});
afterAll(async () => {
  // Whatever was sent: no task was made of it, and the service is as well as before.
  expect(router.world.requests).toEqual({ prefill: [], reserve: [] });
  const answer = await router.openai.chat.completions.create({
    model: model.name,
    messages: [{ role: 'user', content: 'Hello' }],
  });
  expect(answer.choices[0]?.message.content).toBe('Hi.');
  expect(await router.world.settled()).toEqual([]);
  await router.close();
});

interface HttpCase {
  name: string;
  path?: string;
  method?: string;
  body?: unknown;
  raw?: string | Uint8Array;
  headers?: Record<string, string>;
  status: number;
  code: string;
  param?: string | null;
  message?: string;
}

const good = { model: 'switchyard-tiny', messages };
const textGood = { model: 'switchyard-tiny', prompt: 'Hello' };

const httpCases: HttpCase[] = [
  { name: 'malformed JSON', raw: '{"model": ', status: 400, code: 'invalid_json', param: null },
  { name: 'an empty body', raw: '', status: 400, code: 'invalid_json' },
  { name: 'a body that is no object', body: [1, 2], status: 400, code: 'invalid_type' },
  { name: 'invalid UTF-8', raw: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), status: 400, code: 'invalid_utf8' },
  {
    name: 'another media type',
    raw: 'hello',
    headers: { 'content-type': 'text/plain' },
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'a body of 10 MB',
    raw: JSON.stringify({ ...good, user: 'x'.repeat(10_000_000) }),
    status: 413,
    code: 'request_too_large',
  },
  { name: 'an unknown model', body: { ...good, model: 'gpt-9' }, status: 404, code: 'model_not_found', param: 'model' },
  {
    name: 'no messages',
    body: { model: 'switchyard-tiny' },
    status: 400,
    code: 'missing_required_parameter',
    param: 'messages',
  },
  {
    name: 'a content of the wrong type',
    body: { ...good, messages: [{ role: 'user', content: 7 }] },
    status: 400,
    code: 'invalid_type',
    param: 'messages[0].content',
  },
  { name: 'max_tokens 0', body: { ...good, max_tokens: 0 }, status: 400, code: 'invalid_value', param: 'max_tokens' },
  {
    name: 'max_tokens beyond the context',
    body: { ...good, max_tokens: 1_000_000 },
    status: 400,
    code: 'context_length_exceeded',
    param: 'max_tokens',
  },
  {
    name: 'max_tokens that is no number',
    body: { ...good, max_tokens: 'many' },
    status: 400,
    code: 'invalid_type',
    param: 'max_tokens',
  },
  {
    name: 'max_tokens beyond any number of tokens',
    body: { ...good, max_tokens: 1e18 },
    status: 400,
    code: 'invalid_value',
    param: 'max_tokens',
  },
  {
    name: 'a prompt beyond the context',
    body: { ...good, messages: [{ role: 'user', content: 'fox '.repeat(3_000) }] },
    status: 400,
    code: 'context_length_exceeded',
    param: 'messages',
  },
  {
    name: 'a prompt far beyond the context',
    body: { ...good, messages: [{ role: 'user', content: 'fox '.repeat(900_000) }] },
    status: 400,
    code: 'context_length_exceeded',
    param: 'messages',
  },
  { name: 'n of 2', body: { ...good, n: 2 }, status: 400, code: 'unsupported_parameter', param: 'n' },
  {
    name: 'tools',
    body: { ...good, tools: [{ type: 'function' }] },
    status: 400,
    code: 'unsupported_parameter',
    param: 'tools',
  },
  {
    name: 'a penalty',
    body: { ...good, presence_penalty: 1 },
    status: 400,
    code: 'unsupported_parameter',
    param: 'presence_penalty',
  },
  {
    name: 'a response format',
    body: { ...good, response_format: { type: 'json_object' } },
    status: 400,
    code: 'unsupported_parameter',
    param: 'response_format',
  },
  {
    name: 'an unknown field',
    body: { ...good, temprature: 1 },
    status: 400,
    code: 'unknown_parameter',
    param: 'temprature',
  },
  {
    name: 'a temperature out of range',
    body: { ...good, temperature: 3 },
    status: 400,
    code: 'invalid_value',
    param: 'temperature',
  },
  {
    name: 'an unknown role',
    body: { ...good, messages: [{ role: 'wizard', content: '' }] },
    status: 400,
    code: 'invalid_value',
    param: 'messages[0].role',
  },
  {
    name: 'a prompt of no tokens',
    path: completionPath,
    body: { ...textGood, prompt: '' },
    status: 400,
    code: 'invalid_value',
    param: 'prompt',
  },
  {
    name: 'a token id beyond the vocabulary',
    path: completionPath,
    body: {
      ...textGood,
      prompt: [
        [1, 2],
        [3, 99_999],
      ],
    },
    status: 400,
    code: 'invalid_argument',
    param: 'prompt[1][1]',
  },
  {
    name: 'a negative token id',
    path: completionPath,
    body: { ...textGood, prompt: [1, -2] },
    status: 400,
    code: 'invalid_value',
    param: 'prompt[1]',
  },
  {
    name: 'a request id with a space',
    body: good,
    headers: { 'x-request-id': 'a b' },
    status: 400,
    code: 'invalid_argument',
    param: 'x-request-id',
  },
  {
    name: 'a request id that is too long',
    body: good,
    headers: { 'x-request-id': 'a'.repeat(129) },
    status: 400,
    code: 'invalid_argument',
    param: 'x-request-id',
  },
  {
    name: 'a tenant that is too long',
    body: good,
    headers: { 'x-switchyard-tenant': 't'.repeat(129) },
    status: 400,
    code: 'invalid_argument',
    param: 'x-switchyard-tenant',
  },
  { name: 'an unknown route', path: '/v2/chat', body: good, status: 404, code: 'not_found' },
  { name: 'another method', path: chatPath, method: 'PUT', body: good, status: 405, code: 'method_not_allowed' },
  { name: 'a POST where only GET goes', path: '/healthz', body: good, status: 405, code: 'method_not_allowed' },
  {
    name: 'a path that cannot be decoded',
    path: '/v1/models/%zz',
    method: 'GET',
    status: 400,
    code: 'malformed_request',
  },
  {
    name: 'an unknown model in the path',
    path: '/v1/models/gpt-9',
    method: 'GET',
    status: 404,
    code: 'model_not_found',
    param: 'model',
  },
];

describe('HTTP', () => {
  for (const row of httpCases) {
    test(row.name, async () => {
      const body = row.raw ?? (row.body === undefined ? undefined : JSON.stringify(row.body));
      const response = await fetch(`${router.url}${row.path ?? chatPath}`, {
        method: row.method ?? 'POST',
        headers: { 'content-type': 'application/json', ...row.headers },
        ...(body === undefined ? {} : { body }),
      });
      expect(response.status).toBe(row.status);
      expect(response.headers.get('content-type')).toContain('application/json');
      expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      const { error } = (await response.json()) as { error: Record<string, unknown> };
      expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
      expect(error).toMatchObject({
        type: 'invalid_request_error',
        code: row.code,
        message: expect.stringMatching(/.{10}/),
      });
      if (row.param !== undefined) expect(error.param).toBe(row.param);
    });
  }

  test('bytes that are no HTTP', async () => {
    const socket = connect(Number(new URL(router.url).port), '127.0.0.1');
    socket.end('hello there\r\n\r\n');
    let text = '';
    for await (const chunk of socket.setEncoding('utf8')) text += chunk;
    expect(text).toMatch(/^HTTP\/1.1 400 /);
    expect(text).toContain('malformed_http');
  });

  test('405 says what goes', async () => {
    const response = await fetch(`${router.url}${chatPath}`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });
});
