// Decode as a process of its own: colocated it gives a golden answer by both services; full it waits for its attention ranks.

import { readFileSync } from 'node:fs';
import { callBidi, callUnary, connect, disconnect } from '@switchyard/kit';
import { common, task } from '@switchyard/proto';
import { AppProcess } from '@switchyard/testkit';
import { afterEach, expect, it } from 'vitest';

const goldenFile = new URL('../../../test/fixtures/switchyard-tiny.golden.json', import.meta.url);
const golden: { ids: number[]; greedy_ids: number[] } = JSON.parse(readFileSync(goldenFile, 'utf8')).rows[0];
const shared = {
  identity: common.RequestIdentity.fromPartial({ requestId: 'request-1', tenant: 'default' }),
  model: 'switchyard-tiny',
  numPromptTokens: golden.ids.length,
  sampling: common.SamplingParams.fromPartial({ topP: 1 }),
  stop: common.StopConditions.fromPartial({ maxTokens: golden.greedy_ids.length }),
};

let app: AppProcess;
afterEach(async () => {
  disconnect();
  expect(await app.stop()).toEqual({ exitCode: 0, left: [] });
});

function openStream() {
  const call = callBidi(connect(task.DecodeServiceClient, app.address), 'decode', { timeoutMs: 10_000 });
  const messages = call.receive[Symbol.asyncIterator]();
  return { ...call, next: async () => (await messages.next()).value?.message as task.DecodeResponse['message'] };
}

it('colocated, decodes what it has prefilled', async () => {
  app = new AppProcess('decode-0', ['--mode', 'colocated', '--kv-bytes', '4MiB']);
  await expect.poll(() => app.log, { timeout: 30_000 }).toContain('"msg":"serving"');
  const stream = openStream();
  await stream.send({ message: { $case: 'reserve', value: shared } });
  expect((await stream.next())?.$case).toBe('reserved');
  const client = connect(task.PrefillServiceClient, app.address);
  const request = { ...shared, tokenIds: golden.ids };
  const { handle, tokenId } = await callUnary(client, 'prefill', request, { timeoutMs: 10_000 });
  await stream.send({ message: { $case: 'start', value: { handle, tokenIds: [...golden.ids, tokenId] } } });
  const answer = [tokenId];
  while (answer.length < golden.greedy_ids.length) {
    const message = await stream.next();
    if (message?.$case === 'delta') answer.push(...message.value.tokenIds);
  }
  expect(answer).toEqual(golden.greedy_ids);
});

it('full, refuses requests and says what it waits for while it has no attention rank', async () => {
  app = new AppProcess('decode-0', ['--mode', 'full']);
  await expect.poll(() => app.log, { timeout: 30_000 }).toContain('"msg":"started"');
  expect(app.log).toContain('waits for 2 attention ranks');
  const stream = openStream();
  await stream.send({ message: { $case: 'reserve', value: shared } });
  await expect(stream.next()).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE' });
});
