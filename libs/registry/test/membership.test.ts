// Both memberships over real gRPC: joining, seeing each other, the manager going away and coming back.
import { callUnary, connect } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import { describe, expect, it } from 'vitest';
import type { Membership } from '../src/index.js';
import { contextOf, enter, serveMember, startManager, temporaryFolder, until } from './harness.js';

const { SERVING, DRAINING } = cluster.MemberState;
const { DECODE, PREFILL } = cluster.MemberKind;
const seenBy = (membership: Membership) => membership.members().map(({ id, state }) => `${id}:${state}`);
const endpoint = { communicator: 'main', rank: 99, socketPath: '/a.xccl' };

describe('with a manager', () => {
  async function setUp() {
    const folder = temporaryFolder();
    const manager = await startManager(`unix:${folder}/m.sock`);
    return { folder, manager, options: { manager: manager.address } };
  }

  it('members see each other come, change and leave', async () => {
    const { folder, options } = await setUp();
    const a = await enter(contextOf('a', folder, options));
    const b = await enter(contextOf('b', folder, options), PREFILL);
    expect(b.epoch).toBeGreaterThan(a.epoch);
    expect([a.xcclRank, b.xcclRank]).toEqual([0, 1]);
    expect(a.xcclNonce).toEqual(Buffer.alloc(16, 7));
    await until(() => seenBy(a).length === 2);
    b.update({
      state: SERVING,
      xccl: endpoint,
      model: { name: 'm', digest: 'd', numericClass: 'n', contextTokens: 9, descriptionDigest: 'd' },
    });
    const found = await a.waitFor((members) => members.find(({ id, state }) => id === 'b' && state === SERVING), 3000);
    expect(found).toMatchObject({
      kind: PREFILL,
      address: `unix:${folder}/b.sock`,
      xccl: { rank: 1 },
      model: { name: 'm' },
    });
    expect(a.connectTo('b', b.epoch)).toBe(`unix:${folder}/b.sock`);
    expect(() => a.connectTo('b', b.epoch - 1n)).toThrow(expect.objectContaining({ code: 'STALE', member: 'b' }));
    await b.close();
    await until(() => seenBy(a).length === 1);
    expect(() => a.connectTo('b')).toThrow(expect.objectContaining({ code: 'MEMBER_UNAVAILABLE', member: 'b' }));
  });

  it('a member that says nothing any more is removed', async () => {
    const { folder, manager, options } = await setUp();
    const a = await enter(contextOf('a', folder, options));
    const silent = cluster.Member.fromPartial({ id: 'z', address: 'unix:/z' });
    const client = connect(cluster.ClusterServiceClient, manager.address);
    await callUnary(client, 'register', { member: silent, xcclRank: 0 }, { timeoutMs: 2000 });
    await until(() => seenBy(a).length === 2);
    await until(() => seenBy(a).length === 1);
  });

  it('the last view stays while the manager is away, and its successor takes the members as they are', async () => {
    const { folder, manager, options } = await setUp();
    const a = await enter(contextOf('a', folder, options));
    const b = await enter(contextOf('b', folder, options));
    for (const member of [a, b]) member.update({ state: SERVING });
    await until(() => seenBy(a).join() === 'a:2,b:2' && seenBy(b).join() === 'a:2,b:2');
    const changes: string[] = [];
    a.onChange((members) => changes.push(members.map(({ id, epoch }) => `${id}:${epoch}`).join()));
    await manager.close();
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(seenBy(a)).toEqual(['a:2', 'b:2']);
    const successor = await startManager(manager.address);
    await until(() => successor.directory.view.members().length === 2);
    await until(() => seenBy(a).join() === 'a:2,b:2' && seenBy(b).join() === 'a:2,b:2');
    const epochs = successor.directory.view.members().map(({ epoch }) => epoch);
    expect(epochs).toEqual([a.epoch, b.epoch]);
    const c = await enter(contextOf('c', folder, options));
    expect(c.xcclRank).toBe(2);
    expect(c.epoch).toBeGreaterThan(b.epoch);
  });

  it('a process whose id was taken by a newer one gives up', async () => {
    const { folder, options } = await setUp();
    const context = contextOf('a', folder, options);
    await enter(context);
    const newer = await enter(contextOf('a', folder, options));
    await until(() => context.failures.length === 1);
    expect(context.failures[0]).toMatchObject({ code: 'STALE' });
    expect(newer.members().map(({ epoch }) => epoch)).toEqual([newer.epoch]);
  });

  it('news reach the manager at once, without waiting for the next heartbeat', async () => {
    const { folder, manager, options } = await setUp();
    const a = await enter(contextOf('a', folder, options));
    const startMs = performance.now();
    a.update({ state: SERVING });
    a.update({ state: DRAINING });
    await until(() => manager.directory.view.members()[0]?.state === DRAINING);
    expect(performance.now() - startMs).toBeLessThan(90);
  });

  it('joining waits for the manager', async () => {
    const folder = temporaryFolder();
    const joining = enter(contextOf('a', folder, { manager: `unix:${folder}/late.sock` }));
    await new Promise((resolve) => setTimeout(resolve, 150));
    await startManager(`unix:${folder}/late.sock`);
    expect((await joining).members()).toHaveLength(1);
  });

  it('a registration without id or address is refused with its field', async () => {
    const { manager } = await setUp();
    const client = connect(cluster.ClusterServiceClient, manager.address);
    const register = (member?: cluster.Member) =>
      callUnary(client, 'register', { member, xcclRank: 0 }, { timeoutMs: 2000 });
    const refusal = (field: string) => expect.objectContaining({ code: 'INVALID_ARGUMENT', field });
    await expect(register(undefined)).rejects.toEqual(refusal('member'));
    await expect(register(cluster.Member.fromPartial({ address: 'unix:/a' }))).rejects.toEqual(refusal('member.id'));
    await expect(register(cluster.Member.fromPartial({ id: 'a' }))).rejects.toEqual(refusal('member.address'));
  });
});

describe('with static peers', () => {
  it('peers see each other, and a restarted one with its new epoch', async () => {
    const folder = temporaryFolder();
    const address = (id: string) => `unix:${folder}/${id}.sock`;
    const a = await enter(contextOf('a', folder, { peer: [address('b')], epoch: 5n, xcclRank: 3 }));
    const b = await enter(contextOf('b', folder, { peer: [address('a')], epoch: 6n }), PREFILL);
    expect(a).toMatchObject({ id: 'a', epoch: 5n, xcclRank: 3, xcclNonce: new Uint8Array(16) });
    await serveMember(a, address('a'));
    const serverOfB = await serveMember(b, address('b'));
    b.update({ state: SERVING, xccl: endpoint });
    const found = await a.waitFor((members) => members.find(({ id }) => id === 'b'), 3000);
    expect(found).toMatchObject({ kind: PREFILL, epoch: 6n, xccl: { rank: 0 } });
    await until(() => seenBy(b).length === 2);
    await serverOfB.close();
    await until(() => seenBy(a).length === 1);
    const again = await enter(contextOf('b', folder, { epoch: 7n }));
    await serveMember(again, address('b'));
    await until(() => a.members().some(({ id, epoch }) => id === 'b' && epoch === 7n));
  });

  it('a service that finds itself among its peers is one member', async () => {
    const folder = temporaryFolder();
    const addresses = ['a', 'b'].map((id) => `unix:${folder}/${id}.sock`) as [string, string];
    const a = await enter(contextOf('a', folder, { peer: addresses }));
    await serveMember(a, addresses[0]);
    const b = await enter(contextOf('b', folder, { peer: addresses }), PREFILL);
    await serveMember(b, addresses[1]);
    await until(() => seenBy(a).length === 2 && seenBy(b).length === 2);
    // Long enough for every address to be asked again.
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect([seenBy(a).length, seenBy(b).length]).toEqual([2, 2]);
  });

  it('the epoch is the start time when none is given', async () => {
    const beforeMs = Date.now();
    const { epoch } = await enter(contextOf('a', temporaryFolder(), {}), DECODE);
    expect(Number(epoch)).toBeGreaterThanOrEqual(beforeMs);
    expect(Number(epoch)).toBeLessThanOrEqual(Date.now());
  });

  it('waiting ends with TIMEOUT, or with the reason of the signal', async () => {
    const a = await enter(contextOf('a', temporaryFolder(), {}));
    await expect(a.waitFor(() => undefined, 20)).rejects.toMatchObject({ code: 'TIMEOUT' });
    const controller = new AbortController();
    const waiting = a.waitFor(() => undefined, 5000, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});
