// The gRPC API to clients that know nothing of Switchyard: they discover it by reflection. One is built on proto-loader, the
// other is grpcurl.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type ClientReadableStream, credentials } from '@grpc/grpc-js';
import { userMessageOf, visibleText } from '@switchyard/testkit';
import { expect, test } from 'vitest';
import { needTool } from '../framework/tools.js';
import { GOLDEN, MODEL, useSystem } from '../framework/use-system.js';
import { discoverService, listServices } from './reflection-client.js';

const SERVICE = 'switchyard.inference.v1.InferenceService';
const [STORY] = GOLDEN;
if (STORY === undefined) throw new Error('the golden file is empty');
const REQUEST = {
  model: MODEL,
  chat: { messages: [{ role: 'user', content: userMessageOf(STORY) ?? '' }] },
  sampling: { temperature: 0, logprobs: true },
  max_tokens: 64,
};

const at = useSystem({ topology: 'full' });

test('the public port reveals its services', async () => {
  const services = await listServices(at.system.grpc);
  expect(services).toContain(SERVICE);
  expect(services).toContain('grpc.health.v1.Health');
});

test('a generic client discovers Generate over the wire and calls it', async () => {
  const Client = await discoverService(at.system.grpc, SERVICE);
  const client = new Client(at.system.grpc, credentials.createInsecure());
  const call = client.Generate?.(REQUEST, { deadline: Date.now() + 30_000 }) as unknown as ClientReadableStream<{
    event: string;
    delta?: { text: string; logprobs: { logprob: number }[] };
  }>;
  const events: string[] = [];
  let text = '';
  let numLogprobs = 0;
  for await (const response of call) {
    events.push(response.event);
    text += response.delta?.text ?? '';
    numLogprobs += response.delta?.logprobs.length ?? 0;
  }
  client.close();
  expect(text).toBe(visibleText(STORY));
  expect(numLogprobs).toBe(64);
  expect([events[0], events.at(-1)]).toEqual(['started', 'usage']);
});

test('grpcurl describes the service and streams the story', async (context) => {
  const grpcurl = needTool(context, 'grpcurl');
  const run = async (...args: string[]) => (await promisify(execFile)(grpcurl, args, { timeout: 30_000 })).stdout;
  expect(await run('-plaintext', at.system.grpc, 'describe', SERVICE)).toContain('rpc Generate');
  const output = await run('-plaintext', '-d', JSON.stringify(REQUEST), at.system.grpc, `${SERVICE}/Generate`);
  const texts = [...output.matchAll(/^ {4}"text": (".*?"),?$/gm)].map(
    (match) => JSON.parse(match[1] ?? '""') as string,
  );
  expect(texts.join('')).toBe(visibleText(STORY));
});
