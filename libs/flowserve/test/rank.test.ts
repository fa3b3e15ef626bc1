// What ranks derive from the membership: placement, sizes, and whether all experts are there.

import { readFileSync } from 'node:fs';
import { parseModelConfig } from '@switchyard/model';
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';
import { describe, expect, it } from 'vitest';
import { idleEpoch, masterEpoch } from '../src/executor/epochs.js';
import {
  ExpertWatch,
  exchangeShape,
  expertPlacement,
  isAttentionOf,
  isExpertOf,
  kvPoolShape,
  pullsKvOf,
  rankSeat,
  servesKvOf,
} from '../src/index.js';

const configFile = new URL('../../../models/switchyard-tiny/config.json', import.meta.url);
const spec = parseModelConfig(JSON.parse(readFileSync(configFile, 'utf8')));

function expert(id: string, rank: number, more: Partial<Member> = {}): Member {
  const xccl = { communicator: 'switchyard', rank, socketPath: `/run/${id}.xccl` };
  const base = { ...cluster.Member.create(), id, kind: cluster.MemberKind.EXPERT, te: 'decode-0', epoch: 1n, xccl };
  return { ...base, state: cluster.MemberState.SERVING, ...more };
}

describe('expertPlacement', () => {
  const options = { te: 'decode-0', numExpertRanks: 3, numExperts: 8, timeoutMs: 100 };
  const members = [expert('expert-10', 4), expert('expert-2', 7), expert('expert-1', 9)];

  it('gives contiguous shares in the order of the ids, as numbers', () => {
    expect(expertPlacement(members, options)?.expertToRank).toEqual([9, 9, 9, 7, 7, 7, 4, 4]);
  });

  it('waits for all ranks of its TE to join', () => {
    expect(expertPlacement(members.slice(1), options)).toBeNull();
    const { xccl: _, ...unjoined } = expert('expert-3', 3);
    expect(expertPlacement([...members.slice(1), unjoined], options)).toBeNull();
    expect(expertPlacement([...members.slice(1), expert('expert-3', 3, { te: 'decode-1' })], options)).toBeNull();
  });

  it('refuses what cannot be right', () => {
    expect(() => expertPlacement([...members, expert('expert-3', 3)], options)).toThrow('4 expert ranks');
    expect(() => expertPlacement(members, { ...options, numExpertRanks: 9 })).toThrow('9 expert ranks for 8 experts');
  });
});

describe('sizes', () => {
  it('fit blocks and generations into the bytes given', () => {
    const blockBytes = 5 * 16 * (64 + 16) * 4;
    const shape = kvPoolShape({ spec, policy: 'fp32' }, 1_000_000, 16, 0);
    expect(shape.numBlocks).toBe(Math.floor((1_000_000 - 64) / (blockBytes + 8)));
    expect(shape.regionBytes).toBeLessThanOrEqual(1_000_000);
    expect(shape.regionBytes).toBeGreaterThanOrEqual(shape.numBlocks * (blockBytes + 8));
    const deeper = { spec: { ...spec, numLayers: 6 }, policy: 'fp32' } as const;
    expect(kvPoolShape({ spec, policy: 'fp32' }, 1_000_000, 16, 1)).toEqual(kvPoolShape(deeper, 1_000_000, 16, 0));
    expect(() => kvPoolShape({ spec, policy: 'fp32' }, 20_000, 16, 0)).toThrow('do not hold a KV block');
  });

  it('hold more blocks where the cache is INT8', () => {
    const blockBytes = 5 * 16 * (64 + 4 + 16 * 4);
    const shape = kvPoolShape({ spec, policy: 'w8a8' }, 1_000_000, 16, 0);
    expect(shape.numBlocks).toBe(Math.floor((1_000_000 - 64) / (blockBytes + 8)));
  });

  it('give every rank the same exchange shape', () => {
    const shape = { maxTokens: 64, rowBytes: 768, topK: 4, maxLocalExperts: 11 };
    expect(exchangeShape({ spec, policy: 'fp32' }, 3)).toEqual(shape);
    expect(exchangeShape({ spec, policy: 'w8a8' }, 3)).toEqual({ ...shape, rowBytes: 208 });
  });
});

describe('rankSeat', () => {
  const counts = { attentionRanks: 2, expertRanks: 11, threads: 3 };

  it('follows from the number at the end of the id', () => {
    expect(rankSeat('expert', 'expert-10', counts)).toEqual({
      role: 'expert',
      idx: 10,
      numAttention: 2,
      numExpert: 11,
      numThreads: 3,
    });
    expect(rankSeat('attention', 'attention-1', counts)).toMatchObject({ role: 'attention', idx: 1 });
  });

  it('always lies among the ranks', () => {
    expect(rankSeat('attention', 'attention-5', counts).idx).toBe(1);
    expect(rankSeat('attention', 'left', counts).idx).toBe(0);
    expect(rankSeat('expert', `expert-${'9'.repeat(40)}`, counts).idx).toBeLessThan(11);
  });
});

describe('whom a rank talks to', () => {
  const { PREFILL, DECODE, ATTENTION, EXPERT } = cluster.MemberKind;
  const kinds = { PREFILL, DECODE, ATTENTION, EXPERT };
  // One digest: the same files under two names.
  const members = ['a', 'b'].flatMap((name) => {
    const model = { name, digest: 'd', numericClass: 'n', contextTokens: 64 };
    return Object.entries(kinds).map(([kindName, kind]) => {
      return cluster.Member.fromPartial({ id: `${kindName}-${name}`, kind, te: 'decode-0', model });
    });
  });
  const idsOf = (talksTo: (member: Member) => boolean) => members.filter(talksTo).map(({ id }) => id);

  it('is of its own model, even where another one has the same digest and names the same TE', () => {
    expect(idsOf(pullsKvOf('a'))).toEqual(['DECODE-a', 'ATTENTION-a']);
    expect(idsOf(servesKvOf('b'))).toEqual(['PREFILL-b']);
    expect(idsOf(isAttentionOf('decode-0', 'a'))).toEqual(['ATTENTION-a']);
    expect(idsOf(isExpertOf('decode-0', 'b'))).toEqual(['EXPERT-b']);
    expect(idsOf(isExpertOf('decode-1', 'b'))).toEqual([]);
  });

  it('is nobody who does not say what he serves yet', () => {
    const silent = cluster.Member.fromPartial({ id: 'p', kind: PREFILL });
    expect(servesKvOf('a')(silent)).toBe(false);
  });
});

describe('epochs of masters', () => {
  it('rise with each connection and each start, with one between for nobody', () => {
    const epochs = [masterEpoch(7n, 0), masterEpoch(7n, 1), masterEpoch(7n, 32_767), masterEpoch(8n, 0)];
    expect([...epochs].sort((a, b) => (a < b ? -1 : 1))).toEqual(epochs);
    expect(idleEpoch(epochs[0] as bigint)).toBeLessThan(epochs[1] as bigint);
    expect(masterEpoch(2n ** 47n - 1n, 32_767)).toBeLessThan(2n ** 63n);
  });
});

describe('ExpertWatch', () => {
  const links = new Set<string>();
  const isLinkedTo = (id: string, epoch: bigint) => links.has(`${id}@${epoch}`);
  const both = [expert('expert-0', 1), expert('expert-1', 2)];

  it('is ready when all experts are linked and serve, and tells who is missing', () => {
    links.clear();
    const watch = new ExpertWatch({ te: 'decode-0', numExpertRanks: 2, isLinkedTo });
    expect(watch.readiness([])).toMatchObject({ ready: false, member: 'decode-0', reason: 'has 0 of 2 expert ranks' });
    const starting = [both[0] as Member, expert('expert-1', 2, { state: cluster.MemberState.STARTING })];
    expect(watch.readiness(starting)).toMatchObject({ ready: false, member: 'expert-0', reason: 'is not linked' });
    links.add('expert-0@1').add('expert-1@1');
    expect(watch.readiness(starting)).toMatchObject({ ready: false, member: 'expert-1', reason: 'does not serve yet' });
    expect(watch.readiness(both)).toEqual({ ready: true });
  });

  it('trusts the link more than the membership', () => {
    links.clear();
    links.add('expert-0@1').add('expert-1@1');
    const watch = new ExpertWatch({ te: 'decode-0', numExpertRanks: 2, isLinkedTo });
    expect(watch.readiness(both)).toEqual({ ready: true });
    expect(watch.readiness([])).toEqual({ ready: true });
    links.delete('expert-1@1');
    expect(watch.readiness([])).toMatchObject({ ready: false, reason: 'has 1 of 2 expert ranks' });
    const restarted = [both[0] as Member, expert('expert-1', 2, { epoch: 2n, state: cluster.MemberState.STARTING })];
    links.add('expert-1@2');
    expect(watch.readiness(restarted)).toMatchObject({ member: 'expert-1', reason: 'does not serve yet' });
    expect(watch.readiness([both[0] as Member, expert('expert-1', 2, { epoch: 2n })])).toEqual({ ready: true });
  });
});
