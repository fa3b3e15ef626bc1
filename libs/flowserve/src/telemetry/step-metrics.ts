// Metrics of the steps that ran in this process: an observer of the in-process executor. Names carry their unit, times are in
// seconds, labels are bounded.
import type { Counter, Histogram, Meter } from '@opentelemetry/api';
import type { StepEvent, StepTiming } from '@switchyard/native';
import type { StepObserver } from '../executor/in-process.js';

export class StepMetrics implements StepObserver {
  readonly #stepSeconds: Histogram;
  readonly #rows: Counter;
  readonly #a2eSeconds: Counter;
  readonly #e2aWaitSeconds: Counter;
  readonly #pullBytes: Counter;
  readonly #pullSeconds: Counter;
  readonly #faults: Counter;
  readonly #drafts: Counter;
  readonly #draftTokens: Counter;
  readonly #acceptedTokens: Counter;
  readonly #acceptedByPlace: Counter;

  constructor(meter: Meter) {
    const seconds = { unit: 's' };
    this.#stepSeconds = meter.createHistogram('switchyard_executor_step_seconds', {
      ...seconds,
      description: 'Duration of one step of the loop',
      advice: { explicitBucketBoundaries: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2] },
    });
    this.#rows = meter.createCounter('switchyard_executor_rows_total', { description: 'Rows computed, by phase' });
    this.#a2eSeconds = meter.createCounter('switchyard_a2e_send_seconds_total', {
      ...seconds,
      description: 'Writing A2E',
    });
    this.#e2aWaitSeconds = meter.createCounter('switchyard_e2a_wait_seconds_total', {
      ...seconds,
      description: 'Waiting for E2A',
    });
    this.#pullBytes = meter.createCounter('switchyard_kv_transfer_bytes_total', {
      unit: 'By',
      description: 'KV pulled',
    });
    this.#pullSeconds = meter.createCounter('switchyard_kv_transfer_seconds_total', {
      ...seconds,
      description: 'Time spent pulling KV',
    });
    this.#faults = meter.createCounter('switchyard_executor_faults_total', { description: 'Steps rolled back' });
    const counter = (name: string, description: string) =>
      meter.createCounter(`switchyard_spec_decode_${name}_total`, { description });
    this.#drafts = counter('num_drafts', 'Steps of sequences whose drafts were verified');
    this.#draftTokens = counter('num_draft_tokens', 'Tokens drafted and verified');
    this.#acceptedTokens = counter('num_accepted_tokens', 'Drafted tokens that were right');
    this.#acceptedByPlace = counter('num_accepted_tokens_per_pos', 'Drafted tokens that were right, by place');
  }

  onPlan(): void {}

  onStep({ timing, fault }: StepEvent): void {
    if (fault !== null) this.#faults.add(1);
    if (timing === null) return;
    this.#stepSeconds.record(toSeconds(timing.durationNs));
    this.#rows.add(timing.numDecodeRows, { phase: 'decode' });
    this.#rows.add(timing.numPrefillRows, { phase: 'prefill' });
    this.#a2eSeconds.add(toSeconds(timing.a2eNs));
    this.#e2aWaitSeconds.add(toSeconds(timing.e2aWaitNs));
    this.#pullBytes.add(timing.pullBytes);
    this.#pullSeconds.add(toSeconds(timing.pullNs));
    this.#countDrafts(timing);
  }

  #countDrafts({ numDrafts, numDraftTokens, numAcceptedTokens }: StepTiming): void {
    if (numDrafts === 0) return;
    this.#drafts.add(numDrafts);
    this.#draftTokens.add(numDraftTokens);
    for (const [position, count] of numAcceptedTokens.entries()) {
      this.#acceptedTokens.add(count);
      if (count > 0) this.#acceptedByPlace.add(count, { position });
    }
  }
}

function toSeconds(ns: bigint): number {
  return Number(ns) / 1e9;
}
