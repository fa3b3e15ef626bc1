// What the master answers and how it fails, case by case; random schedules are in master.property.test.ts.

import type { ServiceError } from '@switchyard/kit';
import { afterEach, describe, expect, it } from 'vitest';
import type { DpGroupMaster, SequenceEnd, SequenceSink } from '../src/index.js';
import { ManualClock } from './manual-clock.js';
import { ModelRank } from './model-rank.js';
import { identity, makeMaster } from './te-fixture.js';

const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1n, logprobs: false, topLogprobs: 0 };
const request = (numTokens: number) => {
  const tokens = Array.from({ length: numTokens }, (_, i) => i);
  return { identity, tokens, numPromptTokens: 4, sampling, stopTokenIds: [], trace: null };
};
const code = (expected: string) => expect.objectContaining({ code: expected });

const opened: DpGroupMaster[] = [];
afterEach(() => {
  for (const master of opened.splice(0)) master.close();
});

function open(...args: Parameters<typeof makeMaster>): DpGroupMaster {
  const master = makeMaster(...args);
  opened.push(master);
  return master;
}

function sink(): SequenceSink & { ends: SequenceEnd[] } {
  const ends: SequenceEnd[] = [];
  return { ends, onTokens: () => {}, onEnd: (end) => ends.push(end), onSourceDone: () => {} };
}

async function run(rank: ModelRank, numTurns: number): Promise<void> {
  for (let turn = 0; turn < numTurns; turn += 1) {
    await Promise.resolve();
    rank.step(99);
    rank.deliverEvents(99);
  }
}

describe('DpGroupMaster', () => {
  it('refuses at once, with a hint, when its queue is full', () => {
    const master = open(new ModelRank(64, 4), { maxBatchSize: 2, maxQueue: 1 });
    const places = [master.reserve(8), master.reserve(8), master.reserve(8)];
    expect(places.map(({ numAhead }) => numAhead)).toEqual([0, 0, 0]);
    expect(() => master.reserve(8)).toThrow(code('QUEUE_FULL'));
    try {
      master.reserve(8);
    } catch (error) {
      expect((error as ServiceError).retryAfterMs).toBeGreaterThanOrEqual(100);
    }
    places[0]?.release();
    places[0]?.release();
    expect(master.reserve(8).numAhead).toBe(0);
  });

  it('refuses at once what can never fit', () => {
    const master = open(new ModelRank(4, 4));
    expect(() => master.reserve(17)).toThrow(code('KV_POOL_EXHAUSTED'));
    expect(() => master.prefill(request(17), sink())).toThrow(code('KV_POOL_EXHAUSTED'));
    expect(master.reserve(16).maxTokens).toBe(16);
  });

  it('bounds the prompts that wait', () => {
    const master = open(new ModelRank(64, 4), { maxQueue: 2 });
    master.prefill(request(4), sink());
    master.prefill(request(4), sink());
    expect(() => master.prefill(request(4), sink())).toThrow(code('QUEUE_FULL'));
  });

  it('grants two blocks ahead while it decodes', async () => {
    const rank = new ModelRank(64, 4);
    const master = open(rank);
    const { seqId } = master.prefill(request(4), sink());
    await run(rank, 3);
    const place = master.reserve(40);
    place.start({ ...request(5), maxNewTokens: 30, source: null, adopt: seqId }, sink());
    await run(rank, 2);
    // 5 or 6 tokens fill two blocks; two more are ahead.
    expect(master.stats().numFreeBlocks).toBe(60);
    place.release();
    await run(rank, 2);
    expect(master.stats()).toMatchObject({ numFreeBlocks: 64, numPlaces: 0 });
  });

  it('fails what runs with the name of the member, takes nothing while it is away, and goes on after', async () => {
    const rank = new ModelRank(64, 4);
    const master = open(rank);
    const first = sink();
    master.prefill(request(4), first);
    await run(rank, 1);
    const broken = sink();
    master.prefill(request(8), broken);
    await Promise.resolve();
    rank.step(99, { rank: 1, code: 'PEER_DEAD', message: 'killed' });
    rank.setReadiness({ ready: false, member: 'expert-1', reason: 'is not linked' });
    rank.deliverEvents(99);
    const error = expect.objectContaining({ code: 'MEMBER_UNAVAILABLE', member: 'expert-1' });
    expect(broken.ends).toEqual([{ kind: 'failed', error }]);
    expect(() => master.reserve(8)).toThrow(error);
    rank.setReadiness({ ready: true });
    const after = sink();
    master.prefill(request(8), after);
    await run(rank, 3);
    expect(after.ends).toEqual([{ kind: 'finished', reason: 'length' }]);
    expect(master.stats().numFaults).toBe(1);
  });

  it('gives up an executor that acknowledges nothing', async () => {
    const clock = new ManualClock();
    const lost: ServiceError[] = [];
    const options = { clock, ackTimeoutMs: 500, onLost: (error: ServiceError) => lost.push(error) };
    const master = open(new ModelRank(64, 4), options);
    const waiting = sink();
    master.prefill(request(4), waiting);
    await Promise.resolve();
    clock.advance(499);
    expect(lost).toEqual([]);
    clock.advance(1);
    expect(lost).toEqual([code('MEMBER_UNAVAILABLE')]);
    expect(waiting.ends).toEqual([{ kind: 'failed', error: code('MEMBER_UNAVAILABLE') }]);
    expect(() => master.reserve(4)).toThrow(code('MEMBER_UNAVAILABLE'));
  });

  it('fails a sequence whose rank reports a token out of order', async () => {
    const rank = new ModelRank(64, 4);
    const master = open(rank);
    const end = sink();
    const { seqId } = master.prefill(request(4), end);
    await Promise.resolve();
    rank.step(99);
    rank.corruptNextToken();
    rank.deliverEvents(99);
    expect(end.ends).toEqual([{ kind: 'failed', error: code('CORRUPT') }]);
    await run(rank, 2);
    expect(master.stats()).toMatchObject({ numFreeBlocks: 64, numHeld: 0 });
    expect(seqId).toBe(1n);
  });

  it('ends everything when it is closed', async () => {
    const rank = new ModelRank(64, 4);
    const master = open(rank);
    const end = sink();
    master.prefill(request(4), end);
    await run(rank, 0);
    master.close();
    expect(end.ends).toEqual([{ kind: 'failed', error: code('CLOSED') }]);
    expect(rank.isClosed).toBe(true);
  });
});
