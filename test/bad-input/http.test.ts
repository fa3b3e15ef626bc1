// Bad HTTP input: each row gets a clear error in OpenAI's form and harms nobody.
import { waitFor } from '@switchyard/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ErrorBody, greedyChat, post, streamChat } from '../framework/http-api.js';
import { metricSum } from '../framework/metrics.js';
import { expectUnharmed } from '../framework/unharmed.js';
import { MODEL, useSystem } from '../framework/use-system.js';

const at = useSystem({ topology: 'full' });
let members: ReadonlyMap<string, number>;
beforeAll(() => {
  members = at.system.members();
});
afterAll(async () => {
  await expectUnharmed(at.system, members);
});

interface Row {
  name: string;
  body: unknown;
  status: number;
  /** What the message must name. */
  says: RegExp;
  /** Field named in `param`. */
  param?: string;
  path?: string;
}

const CHAT = '/v1/chat/completions';
const CONTEXT_TOKENS = 1024;
const hello = [{ role: 'user', content: 'Hello.' }];
const chat = (extra: Record<string, unknown>) => ({ model: MODEL, messages: hello, ...extra });
const encode = (text: string) => new TextEncoder().encode(text);

const ROWS: Row[] = [
  { name: 'malformed JSON', body: '{"model": "switchyard-tiny", "messages": [', status: 400, says: /json/i },
  { name: 'an empty body', body: '', status: 400, says: /\w/ },
  { name: 'a body that is no object', body: '[1, 2]', status: 400, says: /\w/ },
  { name: 'invalid UTF-8', body: invalidUtf8(), status: 400, says: /utf-?8/i },
  { name: 'an unknown model', body: chat({ model: 'gpt-0' }), status: 404, says: /gpt-0/, param: 'model' },
  { name: 'no model', body: { messages: hello }, status: 400, says: /model/, param: 'model' },
  { name: 'no messages', body: { model: MODEL, messages: [] }, status: 400, says: /messages/, param: 'messages' },
  { name: 'messages of a wrong type', body: chat({ messages: 'Hello.' }), status: 400, says: /messages/ },
  {
    name: 'a role that is none',
    body: chat({ messages: [{ role: 'king', content: 'x' }] }),
    status: 400,
    says: /role/,
  },
  {
    name: 'a number as content',
    body: chat({ messages: [{ role: 'user', content: 7 }] }),
    status: 400,
    says: /content/,
  },
  { name: 'a temperature that is a string', body: chat({ temperature: 'hot' }), status: 400, says: /temperature/ },
  { name: 'a temperature below 0', body: chat({ temperature: -1 }), status: 400, says: /temperature/ },
  { name: 'a temperature above 2', body: chat({ temperature: 2.5 }), status: 400, says: /temperature/ },
  { name: 'top_p of 0', body: chat({ top_p: 0 }), status: 400, says: /top_p/ },
  { name: 'max_tokens of 0', body: chat({ max_tokens: 0 }), status: 400, says: /max_tokens/ },
  { name: 'max_tokens below 0', body: chat({ max_tokens: -5 }), status: 400, says: /max_tokens/ },
  { name: 'max_tokens of 1.5', body: chat({ max_tokens: 1.5 }), status: 400, says: /max_tokens/ },
  { name: 'huge max_tokens', body: chat({ max_tokens: 1_000_000 }), status: 400, says: /max_tokens|context/ },
  { name: 'max_tokens beyond 32 bits', body: chat({ max_tokens: 2 ** 40 }), status: 400, says: /max_tokens|context/ },
  { name: 'stream of a wrong type', body: chat({ stream: 'yes' }), status: 400, says: /stream/ },
  { name: 'five stop strings', body: chat({ stop: ['a', 'b', 'c', 'd', 'e'] }), status: 400, says: /stop/ },
  { name: '21 top_logprobs', body: chat({ logprobs: true, top_logprobs: 21 }), status: 400, says: /top_logprobs/ },
  { name: 'a field that is none', body: chat({ temprature: 1 }), status: 400, says: /temprature/ },
  {
    name: 'a prompt longer than the context',
    body: chat({ messages: [{ role: 'user', content: 'the brave fox '.repeat(CONTEXT_TOKENS) }] }),
    status: 400,
    says: new RegExp(`${CONTEXT_TOKENS}`),
  },
  {
    name: 'a prompt of token ids beyond the vocabulary',
    path: '/v1/completions',
    body: { model: MODEL, prompt: [1, 99_999] },
    status: 400,
    says: /99999|vocabulary/,
  },
  {
    name: 'negative token ids',
    path: '/v1/completions',
    body: { model: MODEL, prompt: [-1] },
    status: 400,
    says: /prompt/,
  },
  { name: 'an empty prompt', path: '/v1/completions', body: { model: MODEL, prompt: '' }, status: 400, says: /prompt/ },
  {
    name: 'a body of 10 MB',
    body: chat({ messages: [{ role: 'user', content: 'x'.repeat(10_000_000) }] }),
    status: 413,
    says: /\w/,
  },
  { name: 'a path that is none', path: '/v1/nothing', body: {}, status: 404, says: /\w/ },
];

test.each(ROWS)('$name is refused with $status', async ({ body, status, says, param, path }) => {
  const response = await post(at.system.http, path ?? CHAT, body);
  const { error } = (await response.json()) as { error: ErrorBody };
  expect(response.status).toBe(status);
  expect(error.message).toMatch(says);
  expect(error.type).toMatch(/\w/);
  if (param !== undefined) expect(error.param).toBe(param);
});

test('a streamed request that is refused gets a body, not a stream', async () => {
  const outcome = await streamChat(at.system.http, { ...greedyChat('Hello.', 8), temperature: 9 });
  expect(outcome).toMatchObject({ status: 400, text: '', numChunks: 0, broken: undefined });
  expect(outcome.error?.message).toMatch(/temperature/);
});

test('GET where POST belongs is refused with 405 or 404 and a body', async () => {
  const response = await fetch(`${at.system.http}${CHAT}`);
  expect([404, 405]).toContain(response.status);
  expect(((await response.json()) as { error: ErrorBody }).error.message).toMatch(/\w/);
});

test('a request id that is no visible ASCII is refused or replaced, never echoed', async () => {
  const response = await post(at.system.http, CHAT, greedyChat('Hello.', 4), { headers: { 'x-request-id': 'a\tb' } });
  await response.text();
  expect(response.headers.get('x-request-id')).toMatch(/^[\x21-\x7e]{1,128}$/);
});

test('a client that leaves in mid-stream ends its request', async () => {
  const abort = new AbortController();
  const generatedBefore = await metricSum(at.system.http, GENERATED);
  const request = { ...greedyChat('Tell me a story about a brave fox.', 900), signal: undefined };
  const outcome = await streamChat(at.system.http, request, {
    signal: abort.signal,
    onText: (text) => text.length > 20 && abort.abort(),
  });
  expect(outcome.broken).toMatch(/abort/i);
  await waitFor('no request to run', 20_000, async () =>
    (await metricSum(at.system.http, RUNNING)) === 0 ? true : undefined,
  );
  // It did not run on to its natural end.
  expect((await metricSum(at.system.http, GENERATED)) - generatedBefore).toBeLessThan(450);
});

/** Gauge of jobs that the router runs now. */
const RUNNING = 'switchyard_router_active_jobs';
/** Counter of the tokens of answers that ended. */
const GENERATED = 'switchyard_router_generated_tokens_total';

function invalidUtf8(): Uint8Array {
  const [before, after] = JSON.stringify(chat({ messages: [{ role: 'user', content: '@' }] })).split('@');
  return Uint8Array.from([...encode(before ?? ''), 0xc3, 0x28, ...encode(after ?? '')]);
}
