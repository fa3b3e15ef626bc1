// The same tokens when experts run on other ranks and when KV comes from another rank; a lost expert is told and recovered from.
// All ranks live in this process, over the same shared-memory fabric that separate processes use.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import {
  type ExpertSpan,
  type KvSource,
  loadNative,
  type NativeCommunicator,
  type NativeExpertServer,
  type PeerChange,
  type RankSeat,
  type StepEvent,
  type StepTiming,
} from '../src/index.js';
import { Driver, greedy, type Job, type OpenedWeights, openTinyModel } from './driver.js';

const maxTokens = 24;
const trace = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const prompt = [
  1, 300, 12, 57, 900, 44, 44, 1203, 7, 1, 90, 2000, 31, 8, 15, 16, 23, 42, 108, 300, 12, 57, 4, 9, 11, 6,
];
const jobs: Job[] = [
  { tokens: prompt, sampling: greedy, maxNewTokens: 40, stopTokenIds: [] },
  {
    tokens: prompt.slice(3),
    sampling: { ...greedy, temperature: 0.9, topP: 0.95, seed: 77n, topLogprobs: 3 },
    maxNewTokens: 40,
    stopTokenIds: [],
  },
  {
    tokens: [...prompt, ...prompt.slice(5), ...prompt],
    sampling: { ...greedy, temperature: 1.3, topK: 50, seed: 5n },
    maxNewTokens: 30,
    stopTokenIds: [],
  },
];

let model: OpenedWeights;
let folder: string;
let toClose: { close(): void }[] = [];
const spans: ExpertSpan[] = [];

beforeAll(async () => {
  model = await openTinyModel();
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-native-'));
});

afterEach(() => {
  for (const handle of toClose.reverse()) handle.close();
  toClose = [];
  spans.length = 0;
  rmSync(folder, { recursive: true });
});

interface Rank {
  rank: number;
  epoch: bigint;
  socketPath: string;
  communicator: NativeCommunicator;
  changes: PeerChange[];
}

function makeRank(rank: number, epoch = 1n, seat: RankSeat | null = null): Rank {
  const socketPath = join(folder, `${rank}-${epoch}`);
  const changes: PeerChange[] = [];
  const communicator = loadNative().createCommunicator({
    name: 'test',
    rank,
    epoch,
    socketPath,
    nonce: new Uint8Array(16).fill(7),
    telemetry: true,
    compatibility: loadNative().numericClass('fp32', 'fma16'),
    appBytes: 16 << 20,
    zcBytes: 0,
    maxRanks: 8,
    exchange: { maxTokens, rowBytes: model.spec.hiddenSize * 4, topK: 4, maxLocalExperts: 32 },
    livenessTimeoutMs: 2000,
    seat,
    onPeerChange: (change) => changes.push(change),
  });
  toClose.push(communicator);
  return { rank, epoch, socketPath, communicator, changes };
}

async function link(a: Rank, b: Rank): Promise<void> {
  a.communicator.expectPeer(b);
  b.communicator.expectPeer(a);
  const isLinked = (from: Rank, to: Rank) =>
    from.communicator.peers().some((peer) => peer.rank === to.rank && peer.state === 'linked');
  for (let i = 0; i < 500 && !(isLinked(a, b) && isLinked(b, a)); i += 1) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(isLinked(a, b) && isLinked(b, a)).toBe(true);
}

/** Even experts on one rank, odd ones on another. */
const placementOn = (even: Rank, odd: Rank) => ({
  version: 3,
  expertToRank: Array.from({ length: model.spec.numExperts }, (_, expert) => (expert % 2 === 0 ? even.rank : odd.rank)),
  timeoutMs: 5000,
});

function serve(rank: Rank, placement: ReturnType<typeof placementOn>): NativeExpertServer {
  const server = loadNative().createExpertServer({
    model: model.executorSpec,
    weights: model.weights,
    arena: null,
    policy: 'fp32',
    kernelClass: 'fma16',
    communicator: rank.communicator,
    placement,
    threads: 2,
    onSpans: (some) => spans.push(...some),
  });
  toClose.push(server);
  return server;
}

function makeDriver(options: ConstructorParameters<typeof Driver>[1]): Driver {
  const driver = new Driver(model, options);
  toClose.push(driver);
  return driver;
}

const isDone = (driver: Driver, ids: bigint[]) => ids.every((id) => driver.finishOf(id) !== undefined);

/** What each job gives when all run in one local executor. */
async function runLocally(some = jobs): Promise<ReturnType<Driver['tokensOf']>[]> {
  const driver = makeDriver({});
  driver.submit({ add: some.map((job, i) => driver.sequence(BigInt(i), job)) });
  const ids = some.map((_, i) => BigInt(i));
  await driver.until(() => isDone(driver, ids));
  return ids.map((id) => driver.tokensOf(id));
}

test('remote experts give the same bits as local ones', async () => {
  const expected = await runLocally();
  const [attention, even, odd] = [makeRank(0), makeRank(1), makeRank(2)];
  await link(attention, even);
  await link(attention, odd);
  const placement = placementOn(even, odd);
  const servers = [serve(even, placement), serve(odd, placement)];
  const driver = makeDriver({ communicator: attention.communicator, experts: placement, maxPrefillTokens: 40 });
  driver.submit({
    add: jobs.map((job, i) => driver.sequence(BigInt(i), job, { trace: i === 1 ? trace : null })),
  });
  await driver.until(() => isDone(driver, [0n, 1n, 2n]));
  expect([0n, 1n, 2n].map((id) => driver.tokensOf(id))).toEqual(expected);
  const numPairs = servers.reduce((sum, server) => sum + server.stats().numPairs, 0n);
  const numRows = jobs.reduce((sum, job) => sum + job.tokens.length + job.maxNewTokens - 1, 0);
  const numMoeLayers = model.spec.numLayers - model.spec.numDenseLayers;
  expect(numPairs).toBe(BigInt(numRows * numMoeLayers * model.spec.numExpertsPerToken));
  await vi.waitFor(() => expect(spans.length).toBeGreaterThan(40), { timeout: 10_000 });
  expect(spans[0]).toMatchObject({ trace, fromRank: 0, numLayers: numMoeLayers });
  const traced = driver.events.filter((event) => event.timing?.tracedSeqIds.includes(1n));
  expect(traced.length).toBeGreaterThanOrEqual(40);
  expect(traced.every((event) => (event.timing?.a2eNs ?? 0n) > 0n)).toBe(true);
  const rowBytes = BigInt(model.spec.hiddenSize * Float32Array.BYTES_PER_ELEMENT);
  for (const rank of [even, odd]) {
    const sent = countedOf(attention, 'a2e_send', rank.rank);
    expect(sent.numCalls).toBeGreaterThan(40n * BigInt(numMoeLayers));
    expect(countedOf(rank, 'a2e_take', attention.rank).bytes).toBe(sent.bytes);
    expect(countedOf(rank, 'e2a_reply', attention.rank).numCalls).toBe(sent.numCalls);
  }
  const answered = [even, odd].reduce((sum, rank) => sum + countedOf(attention, 'e2a_wait', rank.rank).bytes, 0n);
  expect(answered).toBe(numPairs * rowBytes);
  for (const { numCalls, durationBuckets } of attention.communicator.telemetry())
    expect(durationBuckets.reduce((sum, count) => sum + count, 0n)).toBe(numCalls);
  expectCallsOfSteps(attention, driver.events, [even.rank, odd.rank]);
  // A span does not say whose it is: one of the two has made its calls.
  const last = spans.at(-1) as ExpertSpan;
  const numReplies = [even, odd].map(({ communicator }) => {
    const { calls } = communicator.calls(last.calls);
    return calls.filter(({ primitive, peer, step }) => primitive === 'e2a_reply' && peer === 0 && step === last.step)
      .length;
  });
  expect(numReplies).toContain(last.numLayers);
});

/** The ranges of steps follow each other, and what the last one holds are the calls of that step. */
function expectCallsOfSteps({ communicator }: Rank, events: StepEvent[], experts: number[]): void {
  const timings = events.flatMap(({ timing }) => timing ?? []);
  for (const [i, { calls }] of timings.slice(1).entries()) expect(calls.first).toBe(timings[i]?.calls.end);
  for (const { calls: range } of timings) {
    const { calls, numLost } = communicator.calls(range);
    expect(BigInt(calls.length) + numLost).toBe(range.end - range.first);
  }
  const { startUnixNs, durationNs, calls: ofLast } = timings.at(-1) as StepTiming;
  const { calls, numLost } = communicator.calls(ofLast);
  expect(numLost).toBe(0n);
  const numMoeLayers = model.spec.numLayers - model.spec.numDenseLayers;
  expect(calls.filter(({ primitive }) => primitive === 'e2a_wait').map(({ layer }) => layer)).toEqual(
    Array.from({ length: numMoeLayers }, (_, i) => model.spec.numDenseLayers + i),
  );
  for (const { peer } of calls.filter(({ primitive }) => primitive === 'a2e_send')) expect(experts).toContain(peer);
  // Both by the wall clock, read at different times.
  const slackNs = 50_000_000n;
  for (const call of calls) {
    expect(call.code).toBe(null);
    expect(call.startUnixNs).toBeGreaterThan(startUnixNs - slackNs);
    expect(call.startUnixNs + call.durationNs).toBeLessThan(startUnixNs + durationNs + slackNs);
  }
}

/** The list of cores, such as "0-1", in a status file of the kernel. */
function coresIn(path: string): string {
  return /^Cpus_allowed_list:\t(.+)$/m.exec(readFileSync(path, 'utf8'))?.[1] ?? '';
}

function allowedCores(): number[] {
  return coresIn('/proc/self/status')
    .split(',')
    .flatMap((range) => {
      const [first = 0, last = first] = range.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
}

/** Where each of this process's threads of that name may run. */
function coresOfThreads(name: string): string[] {
  const folders = readdirSync('/proc/self/task').map((thread) => `/proc/self/task/${thread}`);
  return folders
    .filter((path) => readFileSync(`${path}/comm`, 'utf8') === `${name}\n`)
    .map((path) => coresIn(`${path}/status`));
}

/** What a rank's telemetry says of one primitive and peer. */
function countedOf({ communicator }: Rank, primitive: string, peer: number): { numCalls: bigint; bytes: bigint } {
  const found = communicator.telemetry().find((each) => each.primitive === primitive && each.peer === peer);
  return found ?? { numCalls: 0n, bytes: 0n };
}

test('a lost expert rolls the step back, names the rank, and the run goes on with its next life', async () => {
  // Long enough that the rank is lost in its middle.
  const long = { ...(jobs[0] as Job), maxNewTokens: 900 };
  const [expected] = await runLocally([long]);
  const [attention, even, odd] = [makeRank(0), makeRank(1), makeRank(2)];
  await link(attention, even);
  await link(attention, odd);
  const placement = placementOn(even, odd);
  serve(even, placement);
  const lost = serve(odd, placement);
  const driver = makeDriver({ communicator: attention.communicator, experts: placement });
  driver.submit({ add: [driver.sequence(0n, long)] });
  await driver.until(() => driver.tokensOf(0n).length > 3);
  lost.close();
  odd.communicator.close();
  await driver.until(() => driver.events.some((event) => event.fault !== null));
  const fault = driver.events.find((event) => event.fault !== null)?.fault;
  expect(fault).toMatchObject({ rank: 2, code: 'PEER_DEAD' });
  const again = makeRank(2, 2n);
  await link(attention, again);
  serve(again, placement);
  driver.submit({ resume: true });
  await driver.until(() => isDone(driver, [0n]));
  expect(driver.tokensOf(0n)).toEqual(expected);
});

test('the threads that compute are bound to the cores of SWITCHYARD_XCCL_PIN, an A/E pair to one', async () => {
  const cores = allowedCores().slice(0, 2);
  const shared = `${cores.at(-1)}`;
  process.env.SWITCHYARD_XCCL_PIN = cores.join();
  try {
    const counts = { numAttention: 2, numExpert: 2, numThreads: 1 };
    const attention = makeRank(0, 1n, { role: 'attention', idx: 1, ...counts });
    const expert = makeRank(1, 1n, { role: 'expert', idx: 1, ...counts });
    const placement = placementOn(expert, expert);
    serve(expert, placement);
    makeDriver({ communicator: attention.communicator, experts: placement });
    await vi.waitFor(() => {
      expect(coresOfThreads('sy-expert')).toEqual([shared]);
      expect(coresOfThreads('sy-executor')).toEqual([shared]);
    });
    // A rank without a seat computes anywhere.
    makeDriver({ communicator: makeRank(2).communicator });
    await vi.waitFor(() => expect(coresOfThreads('sy-executor')).toHaveLength(2));
    expect(coresOfThreads('sy-executor')).toContain(coresIn('/proc/self/status'));
  } finally {
    delete process.env.SWITCHYARD_XCCL_PIN;
  }
});

test('the threads of one attention and one expert rank share the cores of SWITCHYARD_XCCL_PIN one by one', async () => {
  const cores = allowedCores().slice(0, 2);
  process.env.SWITCHYARD_XCCL_PIN = cores.join();
  try {
    const counts = { numAttention: 1, numExpert: 1, numThreads: cores.length };
    const expert = makeRank(1, 1n, { role: 'expert', idx: 0, ...counts });
    const attention = makeRank(0, 1n, { role: 'attention', idx: 0, ...counts });
    const placement = placementOn(expert, expert);
    serve(expert, placement);
    makeDriver({ communicator: attention.communicator, experts: placement });
    await vi.waitFor(() => {
      expect(coresOfThreads('sy-expert')).toEqual([`${cores[0]}`]);
      expect(coresOfThreads('sy-executor')).toEqual([`${cores[0]}`]);
    });
  } finally {
    delete process.env.SWITCHYARD_XCCL_PIN;
  }
});

test('another placement version is refused', async () => {
  const [attention, even, odd] = [makeRank(0), makeRank(1), makeRank(2)];
  await link(attention, even);
  await link(attention, odd);
  const placement = placementOn(even, odd);
  serve(even, placement);
  serve(odd, { ...placement, version: 4 });
  const driver = makeDriver({ communicator: attention.communicator, experts: placement });
  driver.submit({ add: [driver.sequence(0n, jobs[0] as Job)] });
  await driver.until(() => driver.events.some((event) => event.fault !== null));
  expect(driver.events.find((event) => event.fault !== null)?.fault).toMatchObject({ rank: 2, code: 'MISMATCH' });
});

/** Prefills a job on `rank`, holding its blocks, and describes them as a claim's answer would. */
async function prefill(driver: Driver, rank: Rank, job: Job): Promise<{ first: number; source: KvSource }> {
  const sequence = driver.sequence(1n, { ...job, maxNewTokens: 1 }, { hold: true });
  driver.submit({ add: [sequence] });
  await driver.until(() => isDone(driver, [1n]));
  const region = driver.executor.kvRegion();
  const blocks = sequence.blocks.slice(0, Math.ceil(job.tokens.length / region.blockTokens));
  const source: KvSource = {
    rank: rank.rank,
    epoch: rank.epoch,
    regionOffset: region.offset,
    generationOffset: region.generationOffset,
    blockBytes: region.blockBytes,
    layoutVersion: region.layoutVersion,
    blocks,
    generations: driver.executor.blockGenerations(blocks),
    numTokens: job.tokens.length,
  };
  return { first: driver.tokensOf(1n)[0]?.tokenId ?? -1, source };
}

test('a sequence goes on from pulled KV with the same bits, and a reused block is noticed', async () => {
  const job = jobs[2] as Job;
  const [, , expected] = await runLocally();
  const [from, to] = [makeRank(0), makeRank(1)];
  await link(from, to);
  const prefiller = makeDriver({ communicator: from.communicator, maxPrefillTokens: 13 });
  const { first, source } = await prefill(prefiller, from, job);
  const decoder = makeDriver({ communicator: to.communicator });
  const handedOver = {
    ...job,
    tokens: [...job.tokens, first],
    maxNewTokens: job.maxNewTokens - 1,
  };
  decoder.submit({ add: [decoder.sequence(9n, handedOver, { numComputed: job.tokens.length, source, trace })] });
  await decoder.until(() => isDone(decoder, [9n]));
  expect(decoder.events.flatMap((event) => event.pulled)).toEqual([9n]);
  const joined = [...prefiller.tokensOf(1n), ...decoder.tokensOf(9n)];
  expect(joined.map((token) => ({ ...token, seqId: 2n }))).toEqual(expected);
  const pull = decoder.events.find((event) => event.pulled.length > 0)?.timing;
  expect(pull).toMatchObject({ pullBytes: source.blocks.length * source.blockBytes });
  expect(pull?.tracedSeqIds).toContain(9n);

  const stale = { ...source, generations: source.generations.map((generation) => generation - 1n) };
  decoder.submit({ add: [decoder.sequence(10n, handedOver, { numComputed: job.tokens.length, source: stale })] });
  await decoder.until(() => decoder.events.some((event) => event.failed.length > 0));
  expect(decoder.events.flatMap((event) => event.failed)).toMatchObject([{ seqId: 10n, code: 'STALE' }]);
});
