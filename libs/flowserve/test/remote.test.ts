// Masters and ranks in two halves of one real gRPC stream: the same plans and events as in process, and what happens when
// either side goes away.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, disconnect, type GrpcServer, type ServiceError, startGrpcServer } from '@switchyard/kit';
import { cluster, executor } from '@switchyard/proto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { planFromProto, planToProto } from '../src/executor/wire.js';
import { connectExecutor, type DpGroupMaster, ExecutorEndpoint, RemoteGroups, systemClock } from '../src/index.js';
import { ModelRank } from './model-rank.js';
import { SimRequest } from './sim-request.js';
import { identity, makeMaster, model } from './te-fixture.js';
import { makeMember, WrittenMembership } from './written-membership.js';

const log = createLogger({ member: 'test', level: 'silent', format: 'json' });
const code = (expected: string) => expect.objectContaining({ code: expected });

let runDir: string;
let closers: (() => void | Promise<void>)[];

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'sy-'));
  closers = [];
});

afterEach(async () => {
  for (const close of closers.reverse()) await close();
  disconnect();
  rmSync(runDir, { recursive: true });
});

interface RankProcess {
  rank: ModelRank;
  endpoint: ExecutorEndpoint;
  address: string;
  /** Cuts the streams, as the death of the process would. */
  kill(): Promise<void>;
}

async function openRank(name = 'rank', numBlocks = 64): Promise<RankProcess> {
  const rank = new ModelRank(numBlocks, 4);
  const endpoint = new ExecutorEndpoint({ memberId: 'rank-0', model, log });
  endpoint.attach(rank);
  const address = `unix:${runDir}/${name}.sock`;
  const server: GrpcServer = await startGrpcServer([endpoint.grpc], address);
  const stop = rank.run();
  const kill = async () => {
    stop();
    await server.close();
  };
  closers.push(kill);
  return { rank, endpoint, address, kill };
}

const hello = {
  memberId: 'rank-0',
  memberEpoch: 1n,
  master: 'test/dp0',
  model,
  connectTimeoutMs: 2000,
};

async function openMaster(
  { address }: RankProcess,
  masterEpoch: bigint,
  onLost: (error: ServiceError) => void = () => {},
) {
  const remote = await connectExecutor({ ...hello, address, masterEpoch });
  const master = makeMaster(remote, { epoch: masterEpoch, onLost });
  closers.push(() => master.close());
  await expect.poll(() => master.obstacle).toBeNull();
  return master;
}

async function complete(master: DpGroupMaster, maxTokens = 40): Promise<SimRequest> {
  const request = new SimRequest({ prefill: master, decode: master }, [3, 1, 4, 1, 5], maxTokens, []);
  await expect
    .poll(() => {
      request.advance();
      return request.stage;
    })
    .toBe('ended');
  return request;
}

describe('a remote executor', () => {
  it('runs the plans of its master and gives the right answers', async () => {
    const process = await openRank();
    const master = await openMaster(process, 2n);
    expect(master.info).toEqual(process.rank.info);
    const outcomes = await Promise.all([complete(master), complete(master), complete(master)]);
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['right', 'right', 'right']);
    await expect.poll(() => master.stats().numFreeBlocks).toBe(64);
  });

  it('tells when experts go and come', async () => {
    const process = await openRank();
    const master = await openMaster(process, 2n);
    process.rank.setReadiness({ ready: false, member: 'expert-0', reason: 'is not linked' });
    await expect.poll(() => master.obstacle).toMatchObject({ code: 'MEMBER_UNAVAILABLE', member: 'expert-0' });
    process.rank.setReadiness({ ready: true });
    await expect.poll(() => master.obstacle).toBeNull();
    expect((await complete(master)).outcome).toBe('right');
  });

  it('drops the sequences of a master that goes away, and obeys the next one', async () => {
    const process = await openRank();
    const first = await openMaster(process, 2n);
    const request = new SimRequest({ prefill: first, decode: first }, [3, 1, 4], 200, []);
    await expect
      .poll(() => {
        request.advance();
        return request.stage;
      })
      .toBe('decoding');
    first.close();
    expect(request.outcome).toBe('CLOSED');
    await expect.poll(() => process.rank.numSequences).toBe(0);
    await expect(connectExecutor({ ...hello, address: process.address, masterEpoch: 2n })).rejects.toEqual(
      code('STALE'),
    );
    expect((await complete(await openMaster(process, 4n))).outcome).toBe('right');
  });

  it('is lost to a master with a higher epoch', async () => {
    const process = await openRank();
    const lost: ServiceError[] = [];
    const first = await openMaster(process, 2n, (error) => lost.push(error));
    const second = await openMaster(process, 4n);
    await expect.poll(() => lost).toEqual([code('MEMBER_UNAVAILABLE')]);
    expect(() => first.reserve(8)).toThrow(code('MEMBER_UNAVAILABLE'));
    expect((await complete(second)).outcome).toBe('right');
  });

  it('fails what runs when the rank dies', async () => {
    const process = await openRank();
    const lost: ServiceError[] = [];
    const master = await openMaster(process, 2n, (error) => lost.push(error));
    const request = new SimRequest({ prefill: master, decode: master }, [3, 1, 4], 200, []);
    await expect
      .poll(() => {
        request.advance();
        return request.stage;
      })
      .toBe('decoding');
    await process.kill();
    await expect.poll(() => request.outcome).toBe('MEMBER_UNAVAILABLE');
    expect(lost).toEqual([expect.objectContaining({ member: 'rank-0' })]);
  });

  it('is refused for another model, another start of the member, or while it has no executor', async () => {
    const { address } = await openRank();
    const options = { ...hello, address, masterEpoch: 2n };
    for (const change of [{ digest: 'other' }, { name: 'other' }]) {
      const other = { ...model, ...change };
      await expect(connectExecutor({ ...options, model: other })).rejects.toEqual(code('MISMATCH'));
    }
    await expect(connectExecutor({ ...options, memberEpoch: 2n })).rejects.toEqual(code('STALE'));
    const bare = new ExecutorEndpoint({ memberId: 'rank-0', model, log });
    const server = await startGrpcServer([bare.grpc], `unix:${runDir}/bare.sock`);
    closers.push(() => server.close());
    const toBare = connectExecutor({ ...options, address: `unix:${runDir}/bare.sock` });
    await expect(toBare).rejects.toEqual(code('MEMBER_UNAVAILABLE'));
  });
});

describe('a plan on its way to a rank', () => {
  const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 2n ** 63n + 1n, logprobs: true, topLogprobs: 3 };
  const rest = { maxNewTokens: 9, stopTokenIds: [7], hold: true, trace: null };
  const add = {
    seqId: 3n,
    identity,
    tokens: [5, 6, 7],
    numPromptTokens: 2,
    numComputed: 1,
    blocks: [4],
    sampling,
    ...rest,
  };
  const plan = {
    ...{ masterEpoch: 2n, planSeq: 1n, maxPrefillTokens: 16, remove: [1n], resume: true },
    add: [{ ...add, source: null }],
    grant: [{ seqId: 3n, blocks: [5, 6] }],
  };

  it('arrives as it was sent', () => {
    const bytes = executor.Plan.encode(planToProto(plan)).finish();
    expect(planFromProto(executor.Plan.decode(bytes))).toEqual(plan);
  });

  it.each([0, 4])(
    'with %d of three tokens as the prompt is refused, which ends the stream',
    async (numPromptTokens) => {
      const process = await openRank();
      const remote = await connectExecutor({ ...hello, address: process.address, masterEpoch: 2n });
      closers.push(() => remote.close());
      const lost: ServiceError[] = [];
      remote.start({ onSteps: () => {}, onReadiness: () => {}, onLost: (error) => lost.push(error) });
      remote.submit({ ...plan, add: [{ ...add, source: null, numPromptTokens }] });
      await expect.poll(() => lost).toHaveLength(1);
      expect(lost[0]?.message).toContain(`plan.add.num_prompt_tokens is ${numPromptTokens} of 3 tokens`);
      expect(process.rank.numSequences).toBe(0);
    },
  );
});

describe('RemoteGroups', () => {
  const attention = { id: 'rank-0', kind: cluster.MemberKind.ATTENTION, te: 'decode-0', epoch: 1n };

  function openGroups(membership: WrittenMembership, numericClass = model.numericClass): RemoteGroups {
    const groups = new RemoteGroups({
      membership,
      model: { ...model, numericClass },
      clock: systemClock,
      log,
      connectTimeoutMs: 2000,
      limits: { maxBatchSize: 4, maxQueue: 4, maxPrefillTokens: 32, ackTimeoutMs: 5000 },
      onChange: () => {},
    });
    closers.push(() => groups.close());
    return groups;
  }

  it('opens a group for each rank that serves, and again after it has died', async () => {
    const first = await openRank('first');
    const membership = new WrittenMembership('decode-0', 3n);
    const groups = openGroups(membership);
    expect(groups.whyNone()).toMatchObject({ code: 'MEMBER_UNAVAILABLE' });
    const member = makeMember({ ...attention, address: first.address, state: cluster.MemberState.STARTING });
    membership.write([member, { ...member, id: 'rank-9', te: 'decode-1', state: cluster.MemberState.SERVING }]);
    expect(groups.masters()).toEqual([]);
    membership.write([{ ...member, state: cluster.MemberState.SERVING }]);
    await expect.poll(() => groups.numUsable).toBe(1);
    await first.kill();
    await expect.poll(() => groups.numUsable).toBe(0);
    const second = await openRank('second');
    membership.write([{ ...member, address: second.address, state: cluster.MemberState.SERVING }]);
    await expect.poll(() => groups.numUsable).toBe(1);
    expect((await complete(groups.masters()[0] as DpGroupMaster)).outcome).toBe('right');
  });

  it('command no rank of another numeric class, and say why', async () => {
    const { rank, address } = await openRank();
    rank.info.numericClass = 'fp32/fma16/4/1';
    const membership = new WrittenMembership('decode-0', 3n);
    const warn = vi.spyOn(log, 'warn');
    const groups = openGroups(membership, 'fp32/mla-split/4/2');
    membership.write([makeMember({ ...attention, address, state: cluster.MemberState.SERVING })]);
    const text = 'rank-0 cannot be commanded: rank-0 has numeric class fp32/fma16/4/1, not fp32/mla-split/4/2';
    await expect.poll(() => warn.mock.calls).toContainEqual([{ rank: 'rank-0', code: 'MISMATCH' }, text]);
    expect(groups.numUsable).toBe(0);
    warn.mockRestore();
  });
});
