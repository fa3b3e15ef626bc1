// Data-plane spans from what native loops measure: under the right request, few for a long answer, with the calls of XCCL that are theirs.
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { CallRange, CallRecord, ExpertSpan, KvSource, StepEvent, StepTiming } from '@switchyard/native';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { type ExecutorPlan, ExpertSpans } from '../src/index.js';
import { detailsOfCalls } from '../src/telemetry/call-events.js';
import { StepSpans } from '../src/telemetry/step-spans.js';
import { ManualClock } from './manual-clock.js';
import { identity } from './te-fixture.js';

const exporter = new InMemorySpanExporter();
trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }));
afterAll(() => trace.disable());
beforeEach(() => exporter.reset());

const ref = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' };
const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1n, logprobs: false, topLogprobs: 0 };
const names = () => exporter.getFinishedSpans().map(({ name }) => name);
const named = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name);

const source: KvSource = {
  ...{ rank: 4, epoch: 1n, regionOffset: 0n, generationOffset: 0n, blockBytes: 64, layoutVersion: 1 },
  ...{ blocks: [0], generations: [1n], numTokens: 1 },
};

const baseNs = 1_700_000_000_000_000_000n;

function callOf(primitive: string, more: Partial<CallRecord> = {}): CallRecord {
  const ids = { peer: 2, code: null, step: 7n, layer: 3, microBatch: 0 };
  return { primitive, ...ids, startUnixNs: baseNs, durationNs: 1_000n, bytes: 64n, ...more };
}

/** A rank with these calls, numbered from 0, of which the first are lost; `read` tells who asked for which. */
function rankWith(calls: CallRecord[], numLost = 0) {
  const read = vi.fn(({ first, end }: CallRange) => {
    const from = Math.max(Number(first), numLost);
    return { calls: calls.slice(from, Number(end)), numLost: BigInt(from) - first };
  });
  return { read, peerName: (rank: number) => `member-${rank}` };
}

const eventsOf = (name: string) =>
  named(name).map(({ events }) => events.map((event) => [event.name, event.attributes?.['switchyard.xccl.layer']]));

function planOf(seqId: bigint, sampled: boolean, pulls = false): ExecutorPlan {
  const spec = {
    seqId,
    identity,
    tokens: [1, 2],
    numPromptTokens: 2,
    numComputed: 1,
    blocks: [0],
    source: pulls ? source : null,
    sampling,
    maxNewTokens: 9,
  };
  const add = [{ ...spec, stopTokenIds: [], hold: false, trace: sampled ? ref : null }];
  return { masterEpoch: 1n, planSeq: 1n, maxPrefillTokens: 8, add, grant: [], remove: [], resume: false };
}

function stepOf(
  step: number,
  tracedSeqIds: bigint[],
  more: Partial<StepEvent> = {},
  moreTiming: Partial<StepTiming> = {},
): StepEvent {
  const startUnixNs = baseNs + BigInt(step) * 1_000_000n;
  const rows = { numDecodeRows: 1, numPrefillRows: 0 };
  const times = { a2eNs: 10_000n, e2aWaitNs: 200_000n, pullStartUnixNs: startUnixNs, pullNs: 5000n, pullBytes: 4096 };
  const drafts = { numDrafts: 1, numDraftTokens: 2, numAcceptedTokens: [1, 0, 0, 0] };
  const calls = { first: 0n, end: 0n };
  const timing = {
    startUnixNs,
    durationNs: 900_000n,
    ...rows,
    ...times,
    ...drafts,
    tracedSeqIds,
    calls,
    ...moreTiming,
  };
  const lists = { tokens: [], finished: [], starved: [], pulled: [], failed: [] };
  return { masterEpoch: 1n, appliedPlanSeq: 1n, step: BigInt(step), ...lists, fault: null, timing, ...more };
}

describe('StepSpans', () => {
  it('records a transfer and the first steps, each under the span of its request', () => {
    const spans = new StepSpans(null);
    spans.onPlan(planOf(1n, true, true));
    // The native loop names a sequence twice that it pulled and ran in one step.
    spans.onStep(stepOf(1, [1n, 1n], { pulled: [1n] }));
    expect(names()).toEqual(['kv.transfer', 'decode.step', 'a2e.send', 'e2a.wait']);
    for (const span of exporter.getFinishedSpans()) {
      expect(span.spanContext().traceId).toBe(ref.traceId);
      expect(span.parentSpanContext?.spanId).toBe(ref.spanId);
    }
    expect(named('kv.transfer')[0]?.attributes['switchyard.kv.bytes']).toBe(4096);
    expect(named('decode.step')[0]?.duration).toEqual([0, 900_000]);
    const drafts = { 'switchyard.num_draft_tokens': 2, 'switchyard.num_accepted_tokens': 1 };
    expect(named('decode.step')[0]?.attributes).toMatchObject(drafts);
  });

  it('records nothing for a request that is not sampled', () => {
    const spans = new StepSpans(null);
    spans.onPlan(planOf(1n, false));
    spans.onStep(stepOf(1, []));
    expect(names()).toEqual([]);
  });

  it('merges the steps of a long answer and loses none', () => {
    const spans = new StepSpans(null);
    spans.onPlan(planOf(1n, true));
    for (let step = 1; step <= 200; step += 1) spans.onStep(stepOf(step, [1n]));
    spans.onStep(stepOf(201, [1n], { finished: [{ seqId: 1n, reason: 'length' }] }));
    const numSteps = named('decode.step').map(({ attributes }) => attributes['switchyard.num_steps'] as number);
    expect(numSteps.reduce((sum, count) => sum + count, 0)).toBe(201);
    expect(numSteps.length).toBeLessThan(16);
    spans.onStep(stepOf(202, [1n]));
    expect(named('decode.step')).toHaveLength(numSteps.length);
  });

  it('adds the calls of a step and of a transfer to their own spans, by number', () => {
    const calls = [
      ...[callOf('a2e_send', { layer: 9 }), callOf('get', { step: 0n, layer: 0, peer: 4 })],
      ...[callOf('a2e_send', { layer: 1 }), callOf('e2a_wait', { layer: 1, peer: null })],
      callOf('a2e_send', { layer: 8 }),
    ];
    const rank = rankWith(calls);
    const spans = new StepSpans(rank);
    spans.onPlan(planOf(1n, true, true));
    spans.onStep(stepOf(1, [1n, 1n], { pulled: [1n] }, { calls: { first: 1n, end: 4n } }));
    expect(eventsOf('decode.step')).toEqual([
      [
        ['xccl.a2e_send', 1],
        ['xccl.e2a_wait', 1],
      ],
    ]);
    expect(eventsOf('kv.transfer')).toEqual([[['xccl.get', undefined]]]);
    expect(named('decode.step')[0]?.attributes['switchyard.xccl.num_calls']).toBe(2);
    for (const name of ['a2e.send', 'e2a.wait']) expect(named(name)[0]?.events).toEqual([]);
  });

  it('asks for no calls of requests that are not sampled, nor for those of many steps together', () => {
    const rank = rankWith([callOf('a2e_send')]);
    const spans = new StepSpans(rank);
    const timing = { calls: { first: 0n, end: 1n } };
    spans.onPlan(planOf(1n, false));
    spans.onStep(stepOf(1, [], {}, timing));
    expect(rank.read).not.toHaveBeenCalled();
    spans.onPlan(planOf(2n, true));
    for (let step = 2; step <= 80; step += 1) spans.onStep(stepOf(step, [2n], {}, timing));
    expect(named('decode.step')).toHaveLength(9);
    expect(rank.read).toHaveBeenCalledTimes(8);
    expect(eventsOf('decode.step').map((events) => events.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 0]);
  });

  it('records a step that failed by itself, with what it failed by', () => {
    const failed = callOf('e2a_wait', { code: 'PEER_DEAD', durationNs: 5n });
    const rank = rankWith([callOf('a2e_send'), failed]);
    const spans = new StepSpans(rank);
    spans.onPlan(planOf(1n, true));
    for (let step = 1; step <= 20; step += 1) spans.onStep(stepOf(step, [1n]));
    const fault = { rank: 2, code: 'PEER_DEAD' as const, message: 'rank 2 is dead' };
    spans.onStep(stepOf(21, [1n], { fault }, { calls: { first: 0n, end: 2n } }));
    const [before, last] = named('decode.step').slice(-2);
    expect(before?.attributes['switchyard.num_steps']).toBe(12);
    expect(before?.status.code).toBe(SpanStatusCode.UNSET);
    expect(last?.attributes).toMatchObject({ 'switchyard.num_steps': 1, 'error.type': 'PEER_DEAD' });
    expect(last?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'rank 2 is dead' });
    const [, event] = last?.events ?? [];
    expect(event?.attributes).toMatchObject({ 'error.type': 'PEER_DEAD', 'switchyard.xccl.peer': 'member-2' });
  });

  it('adds up a transfer of several steps, in which the sequence has no rows', () => {
    const rank = rankWith(Array.from({ length: 4 }, () => callOf('get')));
    const spans = new StepSpans(rank);
    spans.onPlan(planOf(1n, true, true));
    spans.onStep(stepOf(1, [1n], {}, { calls: { first: 0n, end: 2n } }));
    expect(names()).toEqual([]);
    spans.onStep(stepOf(2, [1n], { pulled: [1n] }, { calls: { first: 2n, end: 4n } }));
    expect(names()).toEqual(['kv.transfer']);
    const [transfer] = named('kv.transfer');
    expect(transfer?.attributes).toMatchObject({ 'switchyard.kv.bytes': 8192, 'switchyard.xccl.num_calls': 4 });
    expect(transfer?.duration).toEqual([0, 1_005_000]);
    spans.onStep(stepOf(3, [1n]));
    expect(names().slice(1)).toEqual(['decode.step', 'a2e.send', 'e2a.wait']);
  });

  it('shows a transfer that a plan ended', () => {
    const spans = new StepSpans(null);
    spans.onPlan(planOf(1n, true, true));
    spans.onStep(stepOf(1, [1n]));
    spans.onPlan({ ...planOf(2n, false), remove: [1n] });
    expect(names()).toEqual(['kv.transfer']);
    expect(named('kv.transfer')[0]?.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('tells by what a transfer failed', () => {
    const spans = new StepSpans(rankWith([callOf('get', { code: 'PEER_DEAD', peer: 4, bytes: 0n })]));
    spans.onPlan(planOf(1n, true, true));
    const failed = [{ seqId: 1n, code: 'PEER_DEAD' as const, message: 'rank 4 is dead' }];
    const timing = { numDecodeRows: 0, calls: { first: 0n, end: 1n } };
    spans.onStep(stepOf(1, [1n], { failed }, timing));
    expect(names()).toEqual(['kv.transfer']);
    const [transfer] = named('kv.transfer');
    expect(transfer?.attributes['error.type']).toBe('PEER_DEAD');
    expect(transfer?.events[0]?.attributes).toMatchObject({
      'error.type': 'PEER_DEAD',
      'switchyard.xccl.peer': 'member-4',
    });
  });
});

describe('detailsOfCalls', () => {
  const detailsOf = (calls: CallRecord[], numLost = 0n) =>
    detailsOfCalls({ calls, numLost }, (rank) => `member-${rank}`);

  it('says of each call when, with whom and for what it was', () => {
    const { attributes, events } = detailsOf([
      callOf('a2e_send', { microBatch: 1, startUnixNs: baseNs + 5n }),
      callOf('get', { step: 0n, layer: 0, code: 'TIMEOUT', bytes: 0n }),
      callOf('e2a_wait', { peer: null, startUnixNs: baseNs + 3n }),
    ]);
    expect(attributes).toEqual({ 'switchyard.xccl.num_calls': 3 });
    const event = { 'switchyard.xccl.step': 7, 'switchyard.xccl.layer': 3, 'switchyard.xccl.duration_ns': 1000 };
    const failed = { 'switchyard.xccl.bytes': 0, 'switchyard.xccl.duration_ns': 1000, 'error.type': 'TIMEOUT' };
    const peer = { 'switchyard.xccl.peer': 'member-2' };
    const rest = { 'switchyard.xccl.bytes': 64 };
    expect(events).toEqual([
      { name: 'xccl.get', unixNs: baseNs, attributes: { ...peer, ...failed } },
      {
        ...{ name: 'xccl.e2a_wait', unixNs: baseNs + 3n },
        attributes: { ...event, ...rest, 'switchyard.xccl.micro_batch': 0 },
      },
      {
        ...{ name: 'xccl.a2e_send', unixNs: baseNs + 5n },
        attributes: { ...peer, ...event, ...rest, 'switchyard.xccl.micro_batch': 1 },
      },
    ]);
  });

  it('shows the slowest of many, in the order of their times, and each that failed', () => {
    const calls = Array.from({ length: 200 }, (_, i) =>
      callOf('a2e_send', { startUnixNs: baseNs + BigInt(i), durationNs: BigInt((i * 37) % 200), layer: i }),
    );
    calls[150] = callOf('e2a_wait', { ...calls[150], primitive: 'e2a_wait', code: 'TIMEOUT', durationNs: 0n });
    const { attributes, events } = detailsOf(calls, 12n);
    expect(attributes).toEqual({ 'switchyard.xccl.num_calls': 200, 'switchyard.xccl.num_calls_lost': 12 });
    expect(events).toHaveLength(32);
    const slowest = [...calls].sort((a, b) => Number(b.durationNs - a.durationNs)).slice(0, 31);
    const layers = [150, ...slowest.map(({ layer }) => layer)].sort((a, b) => a - b);
    expect(events.map((event) => event.attributes['switchyard.xccl.layer'])).toEqual(layers);
  });

  it('says nothing where there was no call', () => {
    expect(detailsOf([])).toEqual({ attributes: {}, events: [] });
  });
});

describe('ExpertSpans', () => {
  const span: ExpertSpan = {
    trace: ref,
    fromRank: 3,
    step: 1n,
    startUnixNs: 1_700_000_000_000_000_000n,
    durationNs: 400_000n,
    computeNs: 100_000n,
    numLayers: 4,
    numPairs: 16,
    calls: { first: 1n, end: 6n },
  };

  it('merges later steps and records what is open when the request is idle', () => {
    const clock = new ManualClock();
    const rank = rankWith([]);
    const spans = new ExpertSpans({ clock, calls: rank });
    for (let step = 0; step < 100; step += 1) spans.record([span]);
    expect(named('expert.compute').length).toBe(9);
    clock.advance(500);
    const recorded = named('expert.compute');
    const sum = (name: string) => recorded.reduce((total, { attributes }) => total + Number(attributes[name]), 0);
    expect([sum('switchyard.num_steps'), sum('switchyard.num_pairs')]).toEqual([100, 1600]);
    expect(recorded[0]?.attributes).toMatchObject({ 'switchyard.attention': 'member-3', 'switchyard.step': 1 });
    expect(clock.numTimers).toBe(0);
    expect(rank.read).toHaveBeenCalledTimes(8);
  });

  it('adds the calls of its step, not those for other ranks and other steps of the same time', () => {
    const calls = [
      callOf('a2e_take', { peer: 3, step: 1n, layer: 1 }),
      ...[callOf('e2a_reply', { peer: 3, step: 1n, layer: 1 }), callOf('a2e_take', { peer: null, step: 0n })],
      ...[callOf('e2a_reply', { peer: 5, step: 1n, layer: 2 }), callOf('e2a_reply', { peer: 3, step: 2n, layer: 1 })],
      callOf('e2a_reply', { peer: 3, step: 1n, layer: 4 }),
    ];
    const spans = new ExpertSpans({ clock: new ManualClock(), calls: rankWith(calls, 2) });
    spans.record([span]);
    expect(eventsOf('expert.compute')).toEqual([[['xccl.e2a_reply', 4]]]);
    const counts = { 'switchyard.xccl.num_calls': 1, 'switchyard.xccl.num_calls_lost': 1 };
    expect(named('expert.compute')[0]?.attributes).toMatchObject(counts);
    spans.close();
  });
});
