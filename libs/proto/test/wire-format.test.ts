// Pins bytes of the messages that cross process and version borders: a changed field number or type fails here first.
import { expect, test } from 'vitest';
import { cluster, common, executor, task } from '../src/index.js';

const identity = common.RequestIdentity.create({
  requestId: 'request',
  jobId: 'job',
  taskId: 'task',
  tenant: 'tenant',
  cacheSalt: 'salt',
});
const identityHex = '0a077265717565737412036a6f621a047461736b220674656e616e742a0473616c74';

function hex(bytes: { finish(): Uint8Array }): string {
  return Buffer.from(bytes.finish()).toString('hex');
}

test('RequestIdentity', () => {
  expect(hex(common.RequestIdentity.encode(identity))).toBe(identityHex);
});

test('KvHandle keeps 64-bit epochs exact', () => {
  const handle = task.KvHandle.create({
    id: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
    owner: 'prefill-0',
    ownerEpoch: 2n ** 63n + 5n,
    modelDigest: 'd',
    numericClass: 'n',
    layoutVersion: 1,
    numTokens: 17,
    numPromptTokens: 17,
    identity,
    layerGroups: [task.LayerGroup.MAIN],
  });
  const encoded = hex(task.KvHandle.encode(handle));
  expect(encoded).toBe(
    `0a1000112233445566778899aabbccddeeff120970726566696c6c2d30188580808080808080800122016` +
      `42a016e3001381140114a22${identityHex}520101`,
  );
  expect(task.KvHandle.decode(Buffer.from(encoded, 'hex'))).toEqual(handle);
});

test('a handle and a master name their model', () => {
  expect(hex(task.KvHandle.encode(task.KvHandle.create({ model: 'm' })))).toBe('5a016d');
  expect(hex(executor.Hello.encode(executor.Hello.create({ model: 'm' })))).toBe('2a016d');
});

test('Plan keeps the order of its deltas', () => {
  const plan = executor.Plan.create({
    masterEpoch: 1n,
    planSeq: 2n,
    maxPrefillTokens: 256,
    grant: [{ seqId: 7n, blocks: [1, 300] }],
    remove: [5n, 6n],
    resume: true,
  });
  expect(hex(executor.Plan.encode(plan))).toBe('080110021880022a070807120301ac02320205063801');
});

test('AddSequence tells the prompt from what was generated', () => {
  const add = executor.AddSequence.create({ seqId: 7n, tokenIds: [1, 2], numPromptTokens: 1 });
  expect(hex(executor.AddSequence.encode(add))).toBe('08071a0201026001');
});

test('enums start with UNSPECIFIED and keep their numbers', () => {
  expect(common.FinishReason.UNSPECIFIED).toBe(0);
  expect(common.FinishReason.LENGTH).toBe(2);
  expect(cluster.MemberKind.EXPERT).toBe(5);
  expect(cluster.MemberState.DRAINING).toBe(3);
});
