// Data-plane spans of sampled requests, made after the fact from what the native loop measured (StepTiming). An observer of the
// in-process executor, so each process records the steps that ran in it: prefill, PD and colocated decode, attention ranks.
// The first steps of a request get a span each, later ones one for many: a long answer must not flood its own trace.
import { recordSpan } from '@switchyard/kit';
import type { StepEvent, StepTiming } from '@switchyard/native';
import type { ExecutorPlan } from '../executor/executor.js';
import type { StepObserver } from '../executor/in-process.js';
import { traceparentOf } from '../wire.js';

const numSingleSteps = 8;
const numStepsMerged = 64;

interface TracedSequence {
  parent: string;
  requestId: string;
  /** Prompts are computed, answers are decoded. */
  stepName: 'prefill.step' | 'decode.step';
  numSteps: number;
  open: StepSpan | null;
}

/** Consecutive steps of one sequence; a2e and e2a are summed over their MoE layers, drafts over all sequences of the steps. */
interface StepSpan {
  startUnixNs: bigint;
  endUnixNs: bigint;
  numSteps: number;
  a2eNs: bigint;
  e2aWaitNs: bigint;
  numDraftTokens: number;
  numAcceptedTokens: number;
}

export class StepSpans implements StepObserver {
  readonly #traced = new Map<bigint, TracedSequence>();
  #masterEpoch = 0n;

  onPlan(plan: ExecutorPlan): void {
    if (plan.masterEpoch !== this.#masterEpoch) {
      this.#traced.clear();
      this.#masterEpoch = plan.masterEpoch;
    }
    for (const { seqId, trace, identity, hold } of plan.add) {
      if (trace === null) continue;
      const stepName = hold ? 'prefill.step' : 'decode.step';
      const parent = traceparentOf(trace);
      this.#traced.set(seqId, { parent, requestId: identity.requestId, stepName, numSteps: 0, open: null });
    }
    for (const seqId of plan.remove) this.#end(seqId);
  }

  onStep(event: StepEvent): void {
    const { timing } = event;
    if (timing === null || this.#traced.size === 0) return;
    const pulled = new Set(event.pulled);
    // A sequence that was pulled and then ran in the same step is named twice.
    for (const seqId of new Set(timing.tracedSeqIds)) {
      const traced = this.#traced.get(seqId);
      if (traced === undefined) continue;
      if (pulled.has(seqId)) recordPull(traced, timing);
      if (timing.numDecodeRows + timing.numPrefillRows > 0) this.#addStep(traced, timing);
    }
    for (const { seqId } of event.finished) this.#end(seqId);
    for (const { seqId } of event.failed) this.#end(seqId);
  }

  #addStep(traced: TracedSequence, timing: StepTiming): void {
    const { startUnixNs, durationNs, a2eNs, e2aWaitNs } = timing;
    const none = { numSteps: 0, a2eNs: 0n, e2aWaitNs: 0n, numDraftTokens: 0, numAcceptedTokens: 0 };
    traced.open ??= { startUnixNs, endUnixNs: startUnixNs, ...none };
    traced.open.endUnixNs = startUnixNs + durationNs;
    traced.open.numSteps += 1;
    traced.open.a2eNs += a2eNs;
    traced.open.e2aWaitNs += e2aWaitNs;
    traced.open.numDraftTokens += timing.numDraftTokens;
    traced.open.numAcceptedTokens += timing.numAcceptedTokens.reduce((sum, count) => sum + count, 0);
    traced.numSteps += 1;
    const numMax = traced.numSteps <= numSingleSteps ? 1 : numStepsMerged;
    if (traced.open.numSteps >= numMax) recordSteps(traced);
  }

  #end(seqId: bigint): void {
    const traced = this.#traced.get(seqId);
    if (traced === undefined) return;
    this.#traced.delete(seqId);
    recordSteps(traced);
  }
}

function recordPull({ parent, requestId }: TracedSequence, timing: StepTiming): void {
  const attributes = { 'switchyard.request_id': requestId, 'switchyard.kv.bytes': timing.pullBytes };
  recordSpan('kv.transfer', { startUnixNs: timing.pullStartUnixNs, durationNs: timing.pullNs, parent, attributes });
}

function recordSteps(traced: TracedSequence): void {
  const { open, parent, requestId, stepName } = traced;
  if (open === null) return;
  traced.open = null;
  const { startUnixNs, endUnixNs, numSteps, a2eNs, e2aWaitNs } = open;
  const attributes = { 'switchyard.request_id': requestId, 'switchyard.num_steps': numSteps };
  const drafts =
    open.numDraftTokens === 0
      ? {}
      : {
          'switchyard.num_draft_tokens': open.numDraftTokens,
          'switchyard.num_accepted_tokens': open.numAcceptedTokens,
        };
  const ofSteps = { startUnixNs, durationNs: endUnixNs - startUnixNs, parent };
  recordSpan(stepName, { ...ofSteps, attributes: { ...attributes, ...drafts } });
  if (a2eNs + e2aWaitNs === 0n) return;
  // Sums over the layers of these steps, drawn one after the other from their start.
  recordSpan('a2e.send', { startUnixNs, durationNs: a2eNs, parent, attributes });
  recordSpan('e2a.wait', { startUnixNs: startUnixNs + a2eNs, durationNs: e2aWaitNs, parent, attributes });
}
