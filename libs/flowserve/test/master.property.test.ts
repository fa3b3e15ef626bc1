// Random schedules over one or two masters and ranks: plans and events arrive late and in batches, requests are cancelled,
// ranks fault, experts go away. No block is lost or used twice, every request ends, and an undisturbed one ends right.
import { afterEach, describe, expect, it } from 'vitest';
import { DpGroupMaster } from '../src/index.js';
import { ManualClock } from './manual-clock.js';
import { ModelRank } from './model-rank.js';
import { type Random, runSeed, seeded } from './random.js';
import { SimRequest, type SimTarget } from './sim-request.js';

interface World {
  ranks: ModelRank[];
  masters: DpGroupMaster[];
  target: SimTarget;
  clock: ManualClock;
}

const opened: DpGroupMaster[] = [];
afterEach(() => {
  for (const master of opened.splice(0)) master.close();
});

function makeMaster(
  rank: ModelRank,
  clock: ManualClock,
  limits: { maxBatchSize: number; maxQueue: number },
): DpGroupMaster {
  const master = new DpGroupMaster({
    name: 'test/dp0',
    epoch: 7n,
    executor: rank,
    clock,
    ...limits,
    maxPrefillTokens: 24,
    ackTimeoutMs: 1e9,
    memberOfRank: (idx) => `expert-${idx}`,
    onReadiness: () => {},
    onLost: (error) => {
      throw error;
    },
  });
  opened.push(master);
  return master;
}

function makeWorld(mode: 'colocated' | 'pd', random: Random): World {
  const clock = new ManualClock();
  const blockTokens = 1 + random(8);
  const numBlocks = Math.ceil(64 / blockTokens) + random(20);
  const limits = { maxBatchSize: 1 + random(6), maxQueue: 1 + random(6) };
  const numSpeculativeTokens = random(5);
  const decodeSource = mode === 'pd' ? new ModelRank(numBlocks, blockTokens, null, numSpeculativeTokens) : null;
  const decodeRank = new ModelRank(numBlocks, blockTokens, decodeSource, numSpeculativeTokens);
  const decode = makeMaster(decodeRank, clock, limits);
  if (decodeSource === null)
    return { ranks: [decodeRank], masters: [decode], target: { prefill: decode, decode }, clock };
  const prefill = makeMaster(decodeSource, clock, limits);
  return { ranks: [decodeSource, decodeRank], masters: [prefill, decode], target: { prefill, decode }, clock };
}

function makeRequest(target: SimTarget, random: Random): SimRequest {
  const prompt = Array.from({ length: 1 + random(30) }, () => random(211));
  const stopTokenIds = random(3) === 0 ? [random(211), random(211), random(211)] : [];
  return new SimRequest(target, prompt, 1 + random(32), stopTokenIds);
}

const fault = { rank: 1, code: 'PEER_DEAD', message: 'killed' } as const;

async function disturb(world: World, requests: SimRequest[], random: Random): Promise<void> {
  const rank = world.ranks[random(world.ranks.length)] as ModelRank;
  const action = random(20);
  if (action === 0) requests[random(requests.length)]?.cancel();
  else if (action === 1) rank.step(99, fault);
  else if (action === 2) {
    rank.setReadiness({ ready: false, member: 'expert-1', reason: 'away' });
    await runFor(world, requests, random, 5);
    rank.setReadiness({ ready: true });
  }
}

/** Steps everything in random order and pieces. */
async function runFor(world: World, requests: SimRequest[], random: Random, numTurns: number): Promise<void> {
  for (let turn = 0; turn < numTurns; turn += 1) {
    const rank = world.ranks[random(world.ranks.length)] as ModelRank;
    const action = random(8);
    if (action < 4) rank.step(random(3));
    else if (action < 6) rank.deliverEvents(random(4));
    else requests[random(requests.length)]?.advance();
    await Promise.resolve();
    await Promise.resolve();
    for (const master of world.masters) master.checkIntegrity();
  }
}

/** Everything arrives and every request moves on, until all have ended. */
async function finish(world: World, requests: SimRequest[]): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    for (const rank of world.ranks) {
      rank.step(99);
      rank.deliverEvents(99);
    }
    for (const request of requests) request.advance();
    await Promise.resolve();
    await Promise.resolve();
    const isIdle = world.ranks.every(
      (rank) => rank.numPlansInFlight + rank.numEventsInFlight + rank.numSequences === 0,
    );
    if (isIdle && requests.every(({ stage }) => stage === 'ended')) return;
  }
  throw new Error(`not ended: ${requests.map(({ stage }) => stage).join(' ')}`);
}

function expectNothingLeft(world: World): void {
  for (const master of world.masters) {
    master.checkIntegrity();
    const { numFreeBlocks, numBlocks, numPlaces, numRunning, numQueued, numHeld } = master.stats();
    expect({ numFreeBlocks, numPlaces, numRunning, numQueued, numHeld }).toEqual({
      numFreeBlocks: numBlocks,
      numPlaces: 0,
      numRunning: 0,
      numQueued: 0,
      numHeld: 0,
    });
  }
}

describe.each(['colocated', 'pd'] as const)('masters, %s', (mode) => {
  it('give every request its right answer whatever the order of arrival', async () => {
    const seed = runSeed(`masters ${mode}`);
    let numPreemptions = 0;
    for (let run = 0; run < 40; run += 1) {
      const random = seeded(seed * 1000 + run);
      const world = makeWorld(mode, random);
      const requests = Array.from({ length: 12 }, () => makeRequest(world.target, random));
      await runFor(world, requests, random, 300);
      await finish(world, requests);
      expect(requests.map(({ outcome }) => outcome)).toEqual(requests.map(() => 'right'));
      expectNothingLeft(world);
      numPreemptions += requests.reduce((sum, request) => sum + request.numPreemptions, 0);
    }
    expect(numPreemptions).toBeGreaterThan(0);
  });

  it('end every request under cancels, faults and absent experts, and lose no block', async () => {
    const seed = runSeed(`disturbed masters ${mode}`);
    const outcomes = new Map<string, number>();
    for (let run = 0; run < 40; run += 1) {
      const random = seeded(seed * 1000 + run);
      const world = makeWorld(mode, random);
      const requests = Array.from({ length: 12 }, () => makeRequest(world.target, random));
      for (let i = 0; i < 60; i += 1) {
        await runFor(world, requests, random, 5);
        await disturb(world, requests, random);
      }
      await finish(world, requests);
      for (const { outcome } of requests) outcomes.set(`${outcome}`, (outcomes.get(`${outcome}`) ?? 0) + 1);
      expectNothingLeft(world);
    }
    expect([...outcomes.keys()].sort()).toEqual(['MEMBER_UNAVAILABLE', 'cancelled', 'right']);
  });
});
