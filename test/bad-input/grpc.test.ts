// Bad gRPC input at the public port: each row gets INVALID_ARGUMENT (or what says it better) with the field's name in the detail.
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { inference } from '@switchyard/proto';
import { type GenerateInput, generate, inferenceClient, visibleText } from '@switchyard/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { detailOf } from '../framework/rpc.js';
import { expectUnharmed } from '../framework/unharmed.js';
import { GOLDEN, MODEL, useSystem } from '../framework/use-system.js';

const at = useSystem({ topology: 'full' });
let members: ReadonlyMap<string, number>;
beforeAll(() => {
  members = at.system.members();
});
afterAll(async () => {
  await expectUnharmed(at.system, members);
});

const [, SUM] = GOLDEN;
if (SUM === undefined) throw new Error('the golden file has too few rows');
const TOKENS: GenerateInput['input'] = { $case: 'tokens', value: { tokenIds: SUM.ids } };
const GOOD: GenerateInput = { model: MODEL, input: TOKENS, sampling: { temperature: 0 }, maxTokens: 8 };
const SERVICE = '/switchyard.inference.v1.InferenceService';

interface Row {
  name: string;
  request: Partial<GenerateInput>;
  field: string;
  code?: string;
  status?: status;
}

const ROWS: Row[] = [
  {
    name: 'an unknown model',
    request: { model: 'gpt-0' },
    field: 'model',
    code: 'MODEL_NOT_FOUND',
    status: status.NOT_FOUND,
  },
  { name: 'no model', request: { model: '' }, field: 'model' },
  { name: 'no messages', request: { input: { $case: 'chat', value: { messages: [] } } }, field: 'chat.messages' },
  {
    name: 'a role that is none',
    request: { input: { $case: 'chat', value: { messages: [{ role: 'king', content: 'x' }] } } },
    field: 'chat.messages[0].role',
  },
  { name: 'an empty text', request: { input: { $case: 'text', value: { text: '' } } }, field: 'text.text' },
  { name: 'no token ids', request: { input: { $case: 'tokens', value: { tokenIds: [] } } }, field: 'tokens.token_ids' },
  {
    name: 'a token id beyond the vocabulary',
    request: { input: { $case: 'tokens', value: { tokenIds: [1, 99_999] } } },
    field: 'tokens.token_ids[1]',
  },
  {
    name: 'a prompt longer than the context',
    request: { input: { $case: 'tokens', value: { tokenIds: Array(1025).fill(5) } } },
    field: '',
    code: 'CONTEXT_LENGTH_EXCEEDED',
  },
  { name: 'max_tokens of 0', request: { maxTokens: 0 }, field: 'max_tokens' },
  { name: 'huge max_tokens', request: { maxTokens: 2 ** 31 }, field: '', code: 'CONTEXT_LENGTH_EXCEEDED' },
  { name: 'a temperature above 2', request: { sampling: { temperature: 3 } }, field: 'sampling.temperature' },
  {
    name: 'a temperature that is no number',
    request: { sampling: { temperature: Number.NaN } },
    field: 'sampling.temperature',
  },
  { name: 'top_p of 0', request: { sampling: { topP: 0 } }, field: 'sampling.top_p' },
  { name: 'min_p above 1', request: { sampling: { minP: 1.5 } }, field: 'sampling.min_p' },
  {
    name: '21 top_logprobs',
    request: { sampling: { logprobs: true, topLogprobs: 21 } },
    field: 'sampling.top_logprobs',
  },
  { name: 'five stop strings', request: { stop: ['a', 'b', 'c', 'd', 'e'] }, field: 'stop' },
  { name: 'an empty stop string', request: { stop: [''] }, field: 'stop[0]' },
  { name: 'a request id of 129 characters', request: { requestId: 'x'.repeat(129) }, field: 'request_id' },
];

test.each(ROWS)('$name is refused', async ({ request, field, code, status: expected }) => {
  const client = inferenceClient(at.system.grpc);
  const error = await generate(client, { ...GOOD, ...request }).then(
    (answer) => expect.fail(`answered ${JSON.stringify(answer.text)}`),
    (reason: ServiceError) => reason,
  );
  client.close();
  const detail = detailOf(error);
  expect(error.code).toBe(expected ?? status.INVALID_ARGUMENT);
  expect(detail.code).toBe(code ?? 'INVALID_ARGUMENT');
  if (field !== '') expect(detail.field).toBe(field);
});

test('a request without input is refused', async () => {
  const error = await callRaw(encodeWithoutInput());
  expect(error?.code).toBe(status.INVALID_ARGUMENT);
});

test('unknown fields are skipped, as proto3 has it', async () => {
  const encoded = Buffer.from(inference.GenerateRequest.encode(inference.GenerateRequest.fromPartial(GOOD)).finish());
  const unknownField = Buffer.from([0xfa, 0x3e, 0x03, 0x61, 0x62, 0x63]); // field 1007, length-delimited, "abc"
  let text = '';
  const error = await callRaw(Buffer.concat([encoded, unknownField]), (response) => {
    if (response.event?.$case === 'delta') text += response.event.value.text;
  });
  expect(error).toBeUndefined();
  expect(visibleText(SUM).startsWith(text) && text.length > 0).toBe(true);
});

test.each([
  ['noise', Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x01])],
  ['a length that runs past the end', Buffer.from([0x0a, 0x7f, 0x61])],
])('%s instead of a message is refused', async (_name, bytes) => {
  expect((await callRaw(bytes))?.code).toBeGreaterThan(0);
});

test('an unknown method is refused with UNIMPLEMENTED', async () => {
  expect((await callRaw(Buffer.alloc(0), () => undefined, `${SERVICE}/Nothing`))?.code).toBe(status.UNIMPLEMENTED);
});

function encodeWithoutInput(): Buffer {
  const { input: _left, ...rest } = GOOD;
  return Buffer.from(inference.GenerateRequest.encode(inference.GenerateRequest.fromPartial(rest)).finish());
}

/** Sends bytes as they are; answers the error the call ended in, if any. */
function callRaw(
  bytes: Buffer,
  onResponse: (response: inference.GenerateResponse) => void = () => undefined,
  method = `${SERVICE}/Generate`,
): Promise<ServiceError | undefined> {
  const client = new Client(at.system.grpc, credentials.createInsecure());
  const decode = (buffer: Buffer) => inference.GenerateResponse.decode(buffer);
  const call = client.makeServerStreamRequest(method, (buffer: Buffer) => buffer, decode, bytes, {
    deadline: Date.now() + 10_000,
  });
  return new Promise<ServiceError | undefined>((resolve) => {
    call.on('data', onResponse);
    call.on('error', (error: ServiceError) => resolve(error));
    call.on('end', () => resolve(undefined));
  }).finally(() => client.close());
}
