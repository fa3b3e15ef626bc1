// Every bad Generate request gets INVALID_ARGUMENT, or its own code, with the path of the field. No TE sees any of it.
import { callServerStream } from '@switchyard/kit';
import { inference } from '@switchyard/proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const messages = [{ role: 'user', content: 'Hello' }];
let router: TestRouter;

beforeAll(async () => {
  router = await startTestRouter(await openTinyModel());
});
afterAll(() => router.close());

interface GrpcCase {
  name: string;
  request: inference.DeepPartial<inference.GenerateRequest>;
  code?: string;
  field?: string;
}

const chat = { $case: 'chat' as const, value: { messages } };
const text = { $case: 'text' as const, value: { text: 'Hello' } };
const grpcGood = { model: 'switchyard-tiny', input: chat };

const grpcCases: GrpcCase[] = [
  { name: 'no input', request: { model: 'switchyard-tiny' }, field: 'input' },
  { name: 'no model', request: { input: chat }, field: 'model' },
  { name: 'an unknown model', request: { ...grpcGood, model: 'gpt-9' }, code: 'MODEL_NOT_FOUND', field: 'model' },
  { name: 'no messages', request: { ...grpcGood, input: { $case: 'chat', value: {} } }, field: 'chat.messages' },
  {
    name: 'an unknown role',
    request: { ...grpcGood, input: { $case: 'chat', value: { messages: [{ role: 'user' }, { role: 'x' }] } } },
    field: 'chat.messages[1].role',
  },
  { name: 'an empty text', request: { ...grpcGood, input: { $case: 'text', value: {} } }, field: 'text.text' },
  { name: 'no token ids', request: { ...grpcGood, input: { $case: 'tokens', value: {} } }, field: 'tokens.token_ids' },
  {
    name: 'a token id beyond the vocabulary',
    request: { ...grpcGood, input: { $case: 'tokens', value: { tokenIds: [1, 99_999] } } },
    field: 'tokens.token_ids[1]',
  },
  {
    name: 'a temperature that is no number',
    request: { ...grpcGood, sampling: { temperature: Number.NaN } },
    field: 'sampling.temperature',
  },
  { name: 'top_p of 0', request: { ...grpcGood, sampling: { topP: 0 } }, field: 'sampling.top_p' },
  { name: 'min_p above 1', request: { ...grpcGood, sampling: { minP: 1.5 } }, field: 'sampling.min_p' },
  {
    name: 'too many top_logprobs',
    request: { ...grpcGood, sampling: { logprobs: true, topLogprobs: 21 } },
    field: 'sampling.top_logprobs',
  },
  {
    name: 'top_logprobs without logprobs',
    request: { ...grpcGood, sampling: { topLogprobs: 2 } },
    field: 'sampling.top_logprobs',
  },
  { name: 'max_tokens 0', request: { ...grpcGood, maxTokens: 0 }, field: 'max_tokens' },
  {
    name: 'max_tokens beyond the context',
    request: { ...grpcGood, maxTokens: 4_000_000_000 },
    code: 'CONTEXT_LENGTH_EXCEEDED',
    field: 'max_tokens',
  },
  { name: 'too many stop strings', request: { ...grpcGood, stop: ['a', 'b', 'c', 'd', 'e'] }, field: 'stop' },
  { name: 'an empty stop string', request: { ...grpcGood, stop: ['a', ''] }, field: 'stop[1]' },
  { name: 'a request id with a space', request: { ...grpcGood, requestId: 'a b' }, field: 'request_id' },
  { name: 'a tenant in another script', request: { ...grpcGood, tenant: 'żółw' }, field: 'tenant' },
  { name: 'a cache salt that is too long', request: { ...grpcGood, cacheSalt: 's'.repeat(129) }, field: 'cache_salt' },
];

describe('gRPC', () => {
  for (const { name, request, code = 'INVALID_ARGUMENT', field } of grpcCases) {
    test(name, async () => {
      const message = inference.GenerateRequest.fromPartial(request);
      const read = async () => {
        for await (const _ of callServerStream(router.grpcClient, 'generate', message, { timeoutMs: 5_000 }));
      };
      await expect(read()).rejects.toMatchObject({ name: 'ServiceError', code, field });
    });
  }

  test('unknown fields are skipped, as proto3 has it', async () => {
    const known = inference.GenerateRequest.encode(
      inference.GenerateRequest.fromPartial({ model: 'no-such', input: text }),
    ).finish();
    // Field 1000, length-delimited, 'new'.
    const bytes = Buffer.concat([known, Buffer.from([0xc2, 0x3e, 3]), Buffer.from('new')]);
    const error = await new Promise<{ code?: number } | null>((resolve) => {
      const pass = (value: Buffer) => value;
      const call = router.grpcClient.makeServerStreamRequest(
        '/switchyard.inference.v1.InferenceService/Generate',
        pass,
        pass,
        bytes,
      );
      call
        .on('data', () => undefined)
        .on('error', (thrown: { code?: number }) => resolve(thrown))
        .on('end', () => resolve(null));
    });
    // It got as far as looking for the model.
    expect(error?.code).toBe(5);
  });
});
