// Data-plane spans of sampled requests, made after the fact from what the native loop measured (StepTiming). An observer of the
// in-process executor, so each process records the steps that ran in it: prefill, PD and colocated decode, attention ranks.
// The first steps of a request and those that failed get a span each, with the calls of the data plane as events; the others one for
// many: a long answer must not flood its own trace.
import { type RecordedSpan, recordSpan } from '@switchyard/kit';
import type { CallRange, CallRecord, StepEvent, StepTiming } from '@switchyard/native';
import type { ExecutorPlan } from '../executor/executor.js';
import type { StepObserver } from '../executor/in-process.js';
import { traceparentOf } from '../wire.js';
import { type CallSource, detailsOfCalls } from './call-events.js';

const numSingleSteps = 8;
const numStepsMerged = 64;

interface TracedSequence {
  parent: string;
  requestId: string;
  /** Prompts are computed, answers are decoded. */
  stepName: 'prefill.step' | 'decode.step';
  numSteps: number;
  open: StepSpan | null;
  /** KV that it still has to pull, or has begun to. */
  pull: PullSpan | 'not begun' | null;
}

type Failure = RecordedSpan['failure'];

/** Steps in which a sequence's KV was pulled; times and bytes are those of all sequences that were pulled in them. */
interface PullSpan {
  startUnixNs: bigint;
  endUnixNs: bigint;
  bytes: number;
  calls: CallRange;
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
  calls: CallRange;
  failure: Failure;
}

export class StepSpans implements StepObserver {
  readonly #calls: CallSource | null;
  readonly #traced = new Map<bigint, TracedSequence>();
  #masterEpoch = 0n;

  /** @param calls of this process's rank; null without one */
  constructor(calls: CallSource | null) {
    this.#calls = calls;
  }

  onPlan(plan: ExecutorPlan): void {
    if (plan.masterEpoch !== this.#masterEpoch) {
      this.#traced.clear();
      this.#masterEpoch = plan.masterEpoch;
    }
    for (const { seqId, trace, identity, hold, source } of plan.add) {
      if (trace === null) continue;
      const stepName = hold ? 'prefill.step' : 'decode.step';
      const names = { parent: traceparentOf(trace), requestId: identity.requestId, stepName } as const;
      const pull = source === null ? null : 'not begun';
      this.#traced.set(seqId, { ...names, numSteps: 0, open: null, pull });
    }
    for (const seqId of plan.remove) this.#end(seqId);
  }

  onStep(event: StepEvent): void {
    const { timing } = event;
    if (timing === null || this.#traced.size === 0) return;
    const pulled = new Set(event.pulled);
    const named = timing.tracedSeqIds;
    for (const seqId of new Set(named)) {
      const traced = this.#traced.get(seqId);
      if (traced === undefined) continue;
      // One that was pulled and then ran in the same step is named twice.
      const hasRows = traced.pull === null || named.indexOf(seqId) !== named.lastIndexOf(seqId);
      if (traced.pull !== null) addPull(traced, timing);
      if (pulled.has(seqId)) this.#recordPull(traced);
      if (hasRows) this.#addStep(traced, timing, event.fault ?? undefined);
    }
    for (const { seqId } of event.finished) this.#end(seqId);
    for (const { seqId, ...failure } of event.failed) this.#end(seqId, failure);
  }

  #addStep(traced: TracedSequence, timing: StepTiming, failure: Failure): void {
    if (failure !== undefined) this.#recordSteps(traced);
    const { startUnixNs, durationNs, a2eNs, e2aWaitNs, calls } = timing;
    const none = { numSteps: 0, a2eNs: 0n, e2aWaitNs: 0n, numDraftTokens: 0, numAcceptedTokens: 0 };
    traced.open ??= { startUnixNs, endUnixNs: startUnixNs, ...none, calls, failure };
    traced.open.endUnixNs = startUnixNs + durationNs;
    traced.open.numSteps += 1;
    traced.open.a2eNs += a2eNs;
    traced.open.e2aWaitNs += e2aWaitNs;
    traced.open.numDraftTokens += timing.numDraftTokens;
    traced.open.numAcceptedTokens += timing.numAcceptedTokens.reduce((sum, count) => sum + count, 0);
    traced.numSteps += 1;
    const numMax = traced.numSteps <= numSingleSteps || failure !== undefined ? 1 : numStepsMerged;
    if (traced.open.numSteps >= numMax) this.#recordSteps(traced);
  }

  #end(seqId: bigint, failure?: Failure): void {
    const traced = this.#traced.get(seqId);
    if (traced === undefined) return;
    this.#traced.delete(seqId);
    this.#recordPull(traced, failure);
    this.#recordSteps(traced);
  }

  #recordPull(traced: TracedSequence, failure?: Failure): void {
    const { pull, parent, requestId } = traced;
    traced.pull = null;
    if (pull === null || pull === 'not begun') return;
    const { startUnixNs, endUnixNs, bytes, calls } = pull;
    const attributes = { 'switchyard.request_id': requestId, 'switchyard.kv.bytes': bytes };
    recordSpan('kv.transfer', {
      ...{ startUnixNs, durationNs: endUnixNs - startUnixNs, parent, attributes },
      ...(failure !== undefined && { failure }),
      ...this.#detailsOf(calls, isPull),
    });
  }

  #recordSteps(traced: TracedSequence): void {
    const { open, parent, requestId, stepName } = traced;
    if (open === null) return;
    traced.open = null;
    const { startUnixNs, endUnixNs, numSteps, a2eNs, e2aWaitNs, failure } = open;
    const attributes = { 'switchyard.request_id': requestId, 'switchyard.num_steps': numSteps };
    const drafts =
      open.numDraftTokens === 0
        ? {}
        : {
            'switchyard.num_draft_tokens': open.numDraftTokens,
            'switchyard.num_accepted_tokens': open.numAcceptedTokens,
          };
    recordSpan(stepName, {
      ...{ startUnixNs, durationNs: endUnixNs - startUnixNs, parent, attributes: { ...attributes, ...drafts } },
      ...(failure !== undefined && { failure }),
      ...(numSteps === 1 && this.#detailsOf(open.calls, (call) => !isPull(call))),
    });
    if (a2eNs + e2aWaitNs === 0n) return;
    // Sums over the layers of these steps, drawn one after the other from their start: the calls themselves stand at the step.
    recordSpan('a2e.send', { startUnixNs, durationNs: a2eNs, parent, attributes });
    recordSpan('e2a.wait', { startUnixNs: startUnixNs + a2eNs, durationNs: e2aWaitNs, parent, attributes });
  }

  #detailsOf(range: CallRange, belongs: (call: CallRecord) => boolean): Pick<RecordedSpan, 'details'> {
    const source = this.#calls;
    if (source === null) return {};
    const details = () => {
      const { calls, numLost } = source.read(range);
      return detailsOfCalls({ calls: calls.filter(belongs), numLost }, source.peerName);
    };
    return { details };
  }
}

const isPull = ({ primitive }: CallRecord) => primitive === 'get';

function addPull(traced: TracedSequence, { pullStartUnixNs, pullNs, pullBytes, calls }: StepTiming): void {
  const before = traced.pull === null || traced.pull === 'not begun' ? null : traced.pull;
  traced.pull = {
    startUnixNs: before?.startUnixNs ?? pullStartUnixNs,
    endUnixNs: pullStartUnixNs + pullNs,
    bytes: (before?.bytes ?? 0) + pullBytes,
    calls: { first: before?.calls.first ?? calls.first, end: calls.end },
  };
}
