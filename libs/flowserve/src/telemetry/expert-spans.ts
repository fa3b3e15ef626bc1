// Spans of an expert rank's work for sampled requests, from what its native loop measured, one span for each of the first steps, with
// the calls of the data plane as events, and then one for many: a long answer must not flood its own trace. Wired by the expert app.
import { recordSpan, type SpanDetails } from '@switchyard/kit';
import type { ExpertSpan } from '@switchyard/native';
import type { Clock } from '../clock.js';
import { traceparentOf } from '../wire.js';
import { type CallSource, detailsOfCalls } from './call-events.js';

const numSingleSteps = 8;
const numStepsMerged = 64;
/** A request that was not seen for this long has ended, or takes a pause: what is open is recorded. */
const idleMs = 500;
const numTracesMax = 4096;

interface TracedWork {
  numSteps: number;
  lastSeenMs: number;
  /** Consecutive steps, added up. */
  open: (ExpertSpan & { numSteps: number }) | null;
}

export interface ExpertSpansOptions {
  clock: Clock;
  /** Of this process's rank. */
  calls: CallSource;
}

export class ExpertSpans {
  readonly #options: ExpertSpansOptions;
  /** By trace, span and attention rank. */
  readonly #work = new Map<string, TracedWork>();
  #stopTimer: (() => void) | null = null;

  constructor(options: ExpertSpansOptions) {
    this.#options = options;
  }

  record(spans: readonly ExpertSpan[]): void {
    for (const span of spans) this.#add(span);
    this.#stopTimer ??= this.#options.clock.setTimer(idleMs, () => this.#endIdle());
  }

  /** Records what is open. */
  close(): void {
    this.#stopTimer?.();
    for (const key of [...this.#work.keys()]) this.#end(key);
  }

  #add(span: ExpertSpan): void {
    const key = `${span.trace.traceId}/${span.trace.spanId}/${span.fromRank}`;
    let work = this.#work.get(key);
    if (work === undefined) {
      const oldest = this.#work.size >= numTracesMax ? this.#work.keys().next().value : undefined;
      if (oldest !== undefined) this.#end(oldest);
      work = { numSteps: 0, lastSeenMs: 0, open: null };
      this.#work.set(key, work);
    }
    work.numSteps += 1;
    work.lastSeenMs = this.#options.clock.nowMs();
    work.open = work.open === null ? { ...span, numSteps: 1 } : merge(work.open, span);
    if (work.open.numSteps >= (work.numSteps <= numSingleSteps ? 1 : numStepsMerged)) this.#recordOpen(work);
  }

  #endIdle(): void {
    const sinceMs = this.#options.clock.nowMs() - idleMs;
    for (const [key, { lastSeenMs }] of this.#work) if (lastSeenMs <= sinceMs) this.#end(key);
    this.#stopTimer = this.#work.size === 0 ? null : this.#options.clock.setTimer(idleMs, () => this.#endIdle());
  }

  #end(key: string): void {
    const work = this.#work.get(key);
    this.#work.delete(key);
    if (work !== undefined) this.#recordOpen(work);
  }

  #recordOpen(work: TracedWork): void {
    const span = work.open;
    if (span === null) return;
    work.open = null;
    const { calls } = this.#options;
    recordSpan('expert.compute', {
      startUnixNs: span.startUnixNs,
      durationNs: span.durationNs,
      parent: traceparentOf(span.trace),
      attributes: {
        'switchyard.attention': calls.peerName(span.fromRank),
        'switchyard.step': Number(span.step),
        'switchyard.num_steps': span.numSteps,
        'switchyard.num_layers': span.numLayers,
        'switchyard.num_pairs': span.numPairs,
        'switchyard.compute_ns': Number(span.computeNs),
      },
      ...(span.numSteps === 1 && { details: () => detailsOfStep(span, calls) }),
    });
  }
}

/** Messages of that attention rank and step; calls for several at once belong to none of them. */
function detailsOfStep({ fromRank, step, calls: range }: ExpertSpan, source: CallSource): SpanDetails {
  const { calls, numLost } = source.read(range);
  const own = calls.filter((call) => call.peer === fromRank && call.step === step);
  return detailsOfCalls({ calls: own, numLost }, source.peerName);
}

function merge(open: ExpertSpan & { numSteps: number }, next: ExpertSpan): ExpertSpan & { numSteps: number } {
  return {
    ...open,
    durationNs: next.startUnixNs + next.durationNs - open.startUnixNs,
    computeNs: open.computeNs + next.computeNs,
    numLayers: open.numLayers + next.numLayers,
    numPairs: open.numPairs + next.numPairs,
    numSteps: open.numSteps + 1,
  };
}
