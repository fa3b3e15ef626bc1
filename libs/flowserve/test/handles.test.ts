// KV handles over a real master and a model rank: claims, leases, and every way a claim can be wrong.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HeldKv } from '../src/index.js';
import { ManualClock } from './manual-clock.js';
import { identity, makeTe, type TestTe } from './te-fixture.js';

const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1n, logprobs: false, topLogprobs: 0 };
const claimId = Buffer.alloc(16, 1);
const claim = { claimId, claimant: 'attention-0', claimantEpoch: 9n };
const code = (expected: string) => expect.objectContaining({ code: expected });

let clock: ManualClock;
let te: TestTe;

beforeEach(() => {
  clock = new ManualClock();
  te = makeTe({ clock });
});

afterEach(() => {
  te.handles.close();
  te.master.close();
});

async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) {
    await Promise.resolve();
    te.rank.step(99);
    te.rank.deliverEvents(99);
  }
}

async function hold(numTokens = 10): Promise<HeldKv> {
  const tokens = Array.from({ length: numTokens }, (_, i) => i);
  const request = { identity, tokens, numPromptTokens: numTokens, sampling, stopTokenIds: [], trace: null };
  const sink = { onTokens: () => {}, onEnd: () => {}, onSourceDone: () => {} };
  const { seqId } = te.master.prefill(request, sink);
  await settle();
  return { master: te.master, seqId, identity, numTokens, numPromptTokens: numTokens };
}

describe('KvHandles', () => {
  it('answers a claim with the blocks and the generations that the rank has', async () => {
    const handle = te.handles.create(await hold());
    const location = te.handles.claim(handle, claim);
    expect(location).toMatchObject({ rank: 3, rankEpoch: 5n, generationOffset: 4096n, numTokens: 10 });
    expect(location.blocks).toHaveLength(3);
    expect(location.generations).toEqual(location.blocks.map((block) => te.rank.generations[block]));
  });

  it('gives a repeated claim the same answer, and frees the blocks when it is released', async () => {
    const handle = te.handles.create(await hold());
    expect(te.handles.claim(handle, claim)).toEqual(te.handles.claim(handle, claim));
    te.handles.release(handle, claimId);
    te.handles.release(handle, claimId);
    await settle();
    expect(te.master.stats()).toMatchObject({ numHeld: 0, numFreeBlocks: 64 });
    expect(() => te.handles.claim(handle, claim)).toThrow(code('HANDLE_UNKNOWN'));
  });

  it.each([
    ['an id that was never given out', { id: Buffer.alloc(16, 9) }, 'HANDLE_UNKNOWN'],
    ['an id of the wrong length', { id: Buffer.alloc(3) }, 'INVALID_ARGUMENT'],
    ['another owner', { owner: 'prefill-1' }, 'HANDLE_UNKNOWN'],
    ['an earlier start of the owner', { ownerEpoch: 4n }, 'HANDLE_EXPIRED'],
    ['another tenant', { identity: { ...identity, tenant: 'other' } }, 'HANDLE_FOREIGN'],
    ['another cache salt', { identity: { ...identity, cacheSalt: 'salt' } }, 'HANDLE_FOREIGN'],
    ['no identity', { identity: undefined }, 'HANDLE_FOREIGN'],
    ['a model of another name', { model: 'other' }, 'MISMATCH'],
    ['a model of other files', { modelDigest: 'other' }, 'MISMATCH'],
    ['another numeric class', { numericClass: 'other' }, 'MISMATCH'],
    ['more tokens than are held', { numTokens: 11 }, 'MISMATCH'],
  ])('refuses %s and keeps the blocks', async (_, forged, expected) => {
    const handle = te.handles.create(await hold());
    expect(() => te.handles.claim({ ...handle, ...forged }, claim)).toThrow(code(expected));
    expect(te.handles.numClaimed).toBe(0);
    expect(te.handles.claim(handle, claim).numTokens).toBe(10);
  });

  it('refuses a second claim, by whoever and however', async () => {
    const handle = te.handles.create(await hold());
    te.handles.claim(handle, claim);
    for (const change of [{ claimId: Buffer.alloc(16, 2) }, { claimant: 'attention-1' }, { claimantEpoch: 10n }]) {
      expect(() => te.handles.claim(handle, { ...claim, ...change })).toThrow(code('HANDLE_CLAIMED'));
    }
    expect(() => te.handles.adopt(handle)).toThrow(code('HANDLE_CLAIMED'));
    expect(() => te.handles.release(handle, new Uint8Array(0))).toThrow(code('HANDLE_CLAIMED'));
  });

  it('frees what nobody claims when the lease ends, and only that', async () => {
    const unclaimed = te.handles.create(await hold());
    const claimed = te.handles.create(await hold());
    te.handles.claim(claimed, claim);
    clock.advance(30_000);
    await settle();
    expect(te.master.stats()).toMatchObject({ numHeld: 1, numFreeBlocks: 61 });
    expect(() => te.handles.claim(unclaimed, claim)).toThrow(code('HANDLE_EXPIRED'));
    expect(te.handles.claim(claimed, claim).numTokens).toBe(10);
  });

  it('frees what the router releases unclaimed', async () => {
    const handle = te.handles.create(await hold());
    te.handles.release(handle, new Uint8Array(0));
    await settle();
    expect(te.master.stats().numFreeBlocks).toBe(64);
    expect(te.handles.numHandles).toBe(0);
  });

  it('frees what a member that is gone had claimed', async () => {
    const handle = te.handles.create(await hold());
    te.handles.claim(handle, claim);
    expect(te.handles.endClaimsOfAbsent((id, epoch) => id === 'attention-0' && epoch === 9n)).toBe(0);
    expect(te.handles.endClaimsOfAbsent((id, epoch) => id === 'attention-0' && epoch === 10n)).toBe(1);
    await settle();
    expect(te.master.stats().numFreeBlocks).toBe(64);
  });

  it('hands a prefill over once to a master of its own process', async () => {
    const held = await hold();
    const handle = te.handles.create(held);
    expect(te.handles.adopt(handle)).toBe(held);
    expect(() => te.handles.adopt(handle)).toThrow(code('HANDLE_CLAIMED'));
    expect(te.master.stats().numHeld).toBe(1);
    te.master.dropHeld(held.seqId);
  });
});
