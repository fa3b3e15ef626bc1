// Prefill as a process of its own: it computes a golden first token, keeps its KV for a claim, and leaves nothing behind.

import { readFileSync } from 'node:fs';
import { callUnary, connect, disconnect } from '@switchyard/kit';
import { common, task } from '@switchyard/proto';
import { AppProcess } from '@switchyard/testkit';
import { afterEach, expect, it } from 'vitest';

const goldenFile = new URL('../../../test/fixtures/switchyard-tiny.golden.json', import.meta.url);
const golden: { ids: number[]; greedy_ids: number[] } = JSON.parse(readFileSync(goldenFile, 'utf8')).rows[0];
const identity = common.RequestIdentity.fromPartial({ requestId: 'request-1', tenant: 'default' });

let app: AppProcess;
afterEach(async () => {
  disconnect();
  expect(await app.stop()).toEqual({ exitCode: 0, left: [] });
});

it('prefills, answers claims and releases', async () => {
  app = new AppProcess('prefill-0', ['--kv-bytes', '4MiB']);
  await expect.poll(() => app.log, { timeout: 30_000 }).toContain('"msg":"serving"');
  const client = connect(task.PrefillServiceClient, app.address);
  const request = task.PrefillRequest.fromPartial({
    identity,
    model: 'switchyard-tiny',
    tokenIds: golden.ids,
    numPromptTokens: golden.ids.length,
    sampling: { topP: 1 },
    stop: { maxTokens: 8 },
  });
  const { tokenId, handle, delta } = await callUnary(client, 'prefill', request, { timeoutMs: 10_000 });
  expect(tokenId).toBe(golden.greedy_ids[0]);
  expect(delta?.tokenIds).toEqual([tokenId]);
  expect(handle).toMatchObject({ owner: 'prefill-0', numTokens: golden.ids.length, identity });
  const claimId = Buffer.alloc(16, 7);
  const claim = { handle, claimId, claimant: 'attention-0', claimantEpoch: 1n };
  const { location } = await callUnary(client, 'claimKv', claim, { timeoutMs: 10_000 });
  expect(location?.blocks).toHaveLength(Math.ceil(golden.ids.length / 16));
  await callUnary(client, 'releaseKv', { handle, claimId }, { timeoutMs: 10_000 });
  const again = callUnary(client, 'claimKv', claim, { timeoutMs: 10_000 });
  await expect(again).rejects.toMatchObject({ code: 'HANDLE_UNKNOWN' });
});
