// Leases, epochs and ranks with a clock of our own.
import { cluster } from '@switchyard/proto';
import { beforeEach, describe, expect, it } from 'vitest';
import { Directory } from '../src/index.js';

const { SERVING, STARTING } = cluster.MemberState;
const heartbeatIntervalMs = 1000;
let nowMs: number;
let directory: Directory;

beforeEach(() => {
  nowMs = 1_000_000;
  directory = new Directory({ nowMs: () => nowMs, heartbeatIntervalMs });
});

const member = (id: string, more: Partial<cluster.Member> = {}) =>
  cluster.Member.fromPartial({ id, address: `unix:/${id}`, state: STARTING, ...more });
const register = (id: string) => directory.register(member(id), 0);
const ids = () => directory.view.members().map(({ id }) => id);

describe('epochs', () => {
  it('grow over all members and all starts, even within one millisecond', () => {
    const epochs = ['a', 'b', 'a', 'c', 'a'].map((id) => register(id).epoch);
    expect(epochs).toEqual([...epochs].sort((a, b) => Number(a - b)));
    expect(new Set(epochs).size).toBe(epochs.length);
  });

  it('grow over restarts of the manager, and do not shrink with the clock', () => {
    const first = register('a').epoch;
    nowMs -= 500_000;
    const second = register('a').epoch;
    expect(second).toBeGreaterThan(first);
    nowMs += 600_000;
    const restarted = new Directory({ nowMs: () => nowMs, heartbeatIntervalMs });
    expect(restarted.register(member('a'), 0).epoch).toBeGreaterThan(second);
  });

  it('are kept by a process that registers again', () => {
    const { epoch, xcclRank } = register('a');
    nowMs += 10_000;
    expect(directory.expire()).toEqual(['a']);
    expect(directory.register(member('a', { epoch }), xcclRank)).toEqual({ epoch, xcclRank });
    const restarted = new Directory({ nowMs: () => nowMs, heartbeatIntervalMs });
    expect(restarted.register(member('a', { epoch }), 5)).toEqual({ epoch, xcclRank: 5 });
    expect(restarted.register(member('b'), 0).epoch).toBeGreaterThan(epoch);
  });

  it('tell an old process that a newer one has its id', () => {
    const { epoch } = register('a');
    register('a');
    expect(() => directory.heartbeat('a', epoch, { state: SERVING })).toThrow(/was replaced/);
    expect(() => directory.register(member('a', { epoch }), 0)).toThrow(/was replaced/);
  });
});

describe('XCCL ranks', () => {
  it('are stable for an id and never shared', () => {
    expect(['a', 'b', 'a', 'c', 'b'].map((id) => register(id).xcclRank)).toEqual([0, 1, 0, 2, 1]);
    directory.remove('a');
    expect(register('d').xcclRank).toBe(3);
    expect(register('a').xcclRank).toBe(0);
  });

  it('of a process that registers again must not belong to another', () => {
    register('a');
    expect(() => directory.register(member('b', { epoch: 999_999n }), 0)).toThrow(/belongs to a/);
  });

  it('stand in the endpoints that others see, whatever the member says', () => {
    register('a');
    const { epoch } = register('b');
    const xccl = { communicator: 'c', rank: 77, socketPath: '/b.xccl' };
    directory.heartbeat('b', epoch, { state: SERVING, xccl });
    expect(directory.view.members()[1]).toMatchObject({ state: SERVING, xccl: { ...xccl, rank: 1 } });
  });
});

describe('leases', () => {
  it('end after three intervals without a heartbeat', () => {
    const { epoch } = register('a');
    register('b');
    nowMs += 2500;
    directory.heartbeat('a', epoch, { state: SERVING });
    nowMs += 1000;
    expect(directory.expire()).toEqual(['b']);
    expect(ids()).toEqual(['a']);
    expect(() => directory.heartbeat('b', 0n, { state: SERVING })).toThrow();
  });

  it('tell watchers once for each change, and not for a mere renewal', () => {
    const seen: string[][] = [];
    directory.view.onChange((members) => seen.push(members.map(({ id, state }) => `${id}:${state}`)));
    const { epoch } = register('a');
    directory.heartbeat('a', epoch, { state: SERVING });
    directory.heartbeat('a', epoch, { state: SERVING });
    register('b');
    directory.remove('a', 1n);
    directory.remove('a', epoch);
    directory.remove('a', epoch);
    expect(seen).toEqual([['a:1'], ['a:2'], ['a:2', 'b:1'], ['b:1']]);
  });
});
