// Data-plane spans from what native loops measure: under the right request, and few for a long answer.
import { trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { ExpertSpan, StepEvent } from '@switchyard/native';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { type ExecutorPlan, ExpertSpans } from '../src/index.js';
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

function planOf(seqId: bigint, sampled: boolean): ExecutorPlan {
  const spec = {
    seqId,
    identity,
    tokens: [1, 2],
    numPromptTokens: 2,
    numComputed: 1,
    blocks: [0],
    source: null,
    sampling,
    maxNewTokens: 9,
  };
  const add = [{ ...spec, stopTokenIds: [], hold: false, trace: sampled ? ref : null }];
  return { masterEpoch: 1n, planSeq: 1n, maxPrefillTokens: 8, add, grant: [], remove: [], resume: false };
}

function stepOf(step: number, tracedSeqIds: bigint[], more: Partial<StepEvent> = {}): StepEvent {
  const startUnixNs = 1_700_000_000_000_000_000n + BigInt(step) * 1_000_000n;
  const rows = { numDecodeRows: 1, numPrefillRows: 0 };
  const times = { a2eNs: 10_000n, e2aWaitNs: 200_000n, pullStartUnixNs: startUnixNs, pullNs: 5000n, pullBytes: 4096 };
  const drafts = { numDrafts: 1, numDraftTokens: 2, numAcceptedTokens: [1, 0, 0, 0] };
  const timing = { startUnixNs, durationNs: 900_000n, ...rows, ...times, ...drafts, tracedSeqIds };
  const lists = { tokens: [], finished: [], starved: [], pulled: [], failed: [] };
  return { masterEpoch: 1n, appliedPlanSeq: 1n, step: BigInt(step), ...lists, fault: null, timing, ...more };
}

describe('StepSpans', () => {
  it('records a transfer and the first steps, each under the span of its request', () => {
    const spans = new StepSpans();
    spans.onPlan(planOf(1n, true));
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
    const spans = new StepSpans();
    spans.onPlan(planOf(1n, false));
    spans.onStep(stepOf(1, []));
    expect(names()).toEqual([]);
  });

  it('merges the steps of a long answer and loses none', () => {
    const spans = new StepSpans();
    spans.onPlan(planOf(1n, true));
    for (let step = 1; step <= 200; step += 1) spans.onStep(stepOf(step, [1n]));
    spans.onStep(stepOf(201, [1n], { finished: [{ seqId: 1n, reason: 'length' }] }));
    const numSteps = named('decode.step').map(({ attributes }) => attributes['switchyard.num_steps'] as number);
    expect(numSteps.reduce((sum, count) => sum + count, 0)).toBe(201);
    expect(numSteps.length).toBeLessThan(16);
    spans.onStep(stepOf(202, [1n]));
    expect(named('decode.step')).toHaveLength(numSteps.length);
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
  };

  it('merges later steps and records what is open when the request is idle', () => {
    const clock = new ManualClock();
    const spans = new ExpertSpans({ clock, memberOfRank: (rank) => `attention-${rank}` });
    for (let step = 0; step < 100; step += 1) spans.record([span]);
    expect(named('expert.compute').length).toBe(9);
    clock.advance(500);
    const recorded = named('expert.compute');
    const sum = (name: string) => recorded.reduce((total, { attributes }) => total + Number(attributes[name]), 0);
    expect([sum('switchyard.num_steps'), sum('switchyard.num_pairs')]).toEqual([100, 1600]);
    expect(recorded[0]?.attributes['switchyard.attention']).toBe('attention-3');
    expect(clock.numTimers).toBe(0);
  });
});
