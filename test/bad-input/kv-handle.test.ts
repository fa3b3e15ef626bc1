// Forged, foreign, stale and twice-claimed KV handles at a real prefill TE (D1): a typed error each, and the blocks of the
// honest owner stay good.
import { randomBytes } from 'node:crypto';
import { credentials } from '@grpc/grpc-js';
import { cluster, common, task } from '@switchyard/proto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { call, errorCodeOf } from '../framework/rpc.js';
import { expectUnharmed } from '../framework/unharmed.js';
import { GOLDEN, MODEL, useSystem } from '../framework/use-system.js';

const at = useSystem({ topology: 'full' });
const PREFILL = 'prefill-0';
const CLAIMANT = 'attention-0';
let members: ReadonlyMap<string, number>;
let client: task.PrefillServiceClient;
let claimantEpoch = 0n;

beforeAll(async () => {
  members = at.system.members();
  client = new task.PrefillServiceClient(at.system.addressOf(PREFILL), credentials.createInsecure());
  claimantEpoch = await epochOf(CLAIMANT);
});
afterAll(async () => {
  client.close();
  await expectUnharmed(at.system, members);
});

test('a claim repeated with its id gets the same answer, and release ends the handle', async () => {
  const handle = await prefill();
  const claimId = randomBytes(16);
  const first = await claim(handle, claimId);
  expect(await claim(handle, claimId)).toEqual(first);
  expect(first.location?.numTokens).toBe(handle.numTokens);
  await release(handle, claimId);
  expect(await errorCodeOf(claim(handle, randomBytes(16)))).toBe('HANDLE_UNKNOWN');
});

test('a forged handle is unknown', async () => {
  const handle = await prefill();
  expect(await errorCodeOf(claim({ ...handle, id: randomBytes(16) }))).toBe('HANDLE_UNKNOWN');
  expect(await errorCodeOf(claim({ ...handle, id: Buffer.alloc(3) }))).toMatch(/HANDLE_UNKNOWN|INVALID_ARGUMENT/);
  await release(handle);
});

test.each([
  ['another tenant', { tenant: 'mallory' }],
  ['another cache salt', { cacheSalt: 'pepper' }],
])('a claim for %s is refused', async (_name, change) => {
  const handle = await prefill();
  const identity = common.RequestIdentity.fromPartial({ ...handle.identity, ...change });
  expect(await errorCodeOf(claim({ ...handle, identity }))).toBe('HANDLE_FOREIGN');
  await release(handle);
});

test('a handle of an earlier epoch of its owner is stale', async () => {
  const handle = await prefill();
  expect(await errorCodeOf(claim({ ...handle, ownerEpoch: handle.ownerEpoch - 1n }))).toMatch(
    /STALE|HANDLE_UNKNOWN|HANDLE_EXPIRED/,
  );
  await release(handle);
});

test('a handle that says another length, model or class than it has is refused', async () => {
  const handle = await prefill();
  for (const change of [
    { numTokens: handle.numTokens + 16 },
    { numPromptTokens: handle.numPromptTokens - 1 },
    { model: 'other' },
    { modelDigest: 'beef' },
    { numericClass: 'fp32/none' },
  ]) {
    expect(await errorCodeOf(claim({ ...handle, ...change })), JSON.stringify(change)).toMatch(
      /MISMATCH|HANDLE_FOREIGN|HANDLE_UNKNOWN/,
    );
  }
  await release(handle);
});

test('a second claim is refused while the first holds', async () => {
  const handle = await prefill();
  const claimId = randomBytes(16);
  await claim(handle, claimId);
  expect(await errorCodeOf(claim(handle, randomBytes(16)))).toBe('HANDLE_CLAIMED');
  await release(handle, claimId);
});

async function prefill(): Promise<task.KvHandle> {
  const tokenIds = GOLDEN[0]?.ids ?? [];
  const request = task.PrefillRequest.fromPartial({
    identity: { requestId: 'bad-input', jobId: 'job', taskId: 'task', tenant: 'default', cacheSalt: '' },
    model: MODEL,
    tokenIds,
    numPromptTokens: tokenIds.length,
    sampling: { temperature: 0, topP: 1, seed: 1n },
    stop: { maxTokens: 8, stopTokenIds: [2, 0] },
  });
  const response = await call<task.PrefillRequest, task.PrefillResponse>(client.prefill.bind(client), request);
  if (response.handle === undefined) throw new Error('prefill answered without a handle');
  return response.handle;
}

function claim(handle: task.KvHandle, claimId: Buffer = randomBytes(16)): Promise<task.ClaimKvResponse> {
  const request = { handle, claimId, claimant: CLAIMANT, claimantEpoch };
  return call<task.ClaimKvRequest, task.ClaimKvResponse>(client.claimKv.bind(client), request);
}

function release(handle: task.KvHandle, claimId: Buffer = Buffer.alloc(0)): Promise<task.ReleaseKvResponse> {
  return call<task.ReleaseKvRequest, task.ReleaseKvResponse>(client.releaseKv.bind(client), { handle, claimId });
}

async function epochOf(memberId: string): Promise<bigint> {
  const member = new cluster.MemberServiceClient(at.system.addressOf(memberId), credentials.createInsecure());
  const response = await call<cluster.DescribeRequest, cluster.DescribeResponse>(member.describe.bind(member), {});
  member.close();
  return response.member?.epoch ?? 0n;
}
