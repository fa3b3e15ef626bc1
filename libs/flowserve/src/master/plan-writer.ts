// Collects the deltas of one scheduling turn and submits them as the next plan. Keeps the plans that the rank has not
// acknowledged, for the watchdog and for the length of a round trip. Used by the master alone.
import type { ExecutorPlan } from '../executor/executor.js';

interface SentPlan {
  planSeq: bigint;
  sentMs: number;
  /** Steps the rank had run when the plan was sent, as far as was known. */
  step: bigint;
}

export interface PlanWriterOptions {
  masterEpoch: bigint;
  /** Prefill rows a step at most. */
  maxPrefillTokens: number;
  submit: (plan: ExecutorPlan) => void;
  /** Monotonic. */
  nowMs: () => number;
}

export class PlanWriter {
  readonly #options: PlanWriterOptions;
  #open: ExecutorPlan;
  #isDirty = false;
  #sent: SentPlan[] = [];
  #roundTripSteps = 1;

  constructor(options: PlanWriterOptions) {
    this.#options = options;
    this.#open = this.#emptyPlan(1n);
  }

  /** The plan that will carry what is written now. */
  get nextPlanSeq(): bigint {
    return this.#open.planSeq;
  }

  /** Steps that the rank runs while a plan travels: the longest of late, slowly forgotten. */
  get roundTripSteps(): number {
    return this.#roundTripSteps;
  }

  /** When the oldest unacknowledged plan was sent; null when all are acknowledged. */
  get oldestSentMs(): number | null {
    return this.#sent[0]?.sentMs ?? null;
  }

  add(sequence: ExecutorPlan['add'][number]): void {
    this.#open.add.push(sequence);
    this.#isDirty = true;
  }

  grant(seqId: bigint, blocks: number[]): void {
    this.#open.grant.push({ seqId, blocks });
    this.#isDirty = true;
  }

  remove(seqId: bigint): void {
    this.#open.remove.push(seqId);
    this.#isDirty = true;
  }

  resume(): void {
    this.#open.resume = true;
    this.#isDirty = true;
  }

  /** Submits what was written since the last flush, if anything was. `step` is the last one known. */
  flush(step: bigint): void {
    if (!this.#isDirty) return;
    const plan = this.#open;
    this.#open = this.#emptyPlan(plan.planSeq + 1n);
    this.#isDirty = false;
    this.#sent.push({ planSeq: plan.planSeq, sentMs: this.#options.nowMs(), step });
    this.#options.submit(plan);
  }

  acknowledge(planSeq: bigint, step: bigint): void {
    let numAcknowledged = 0;
    for (const sent of this.#sent) {
      if (sent.planSeq > planSeq) break;
      numAcknowledged += 1;
      this.#roundTripSteps = Math.max(1, 0.98 * this.#roundTripSteps, Number(step - sent.step));
    }
    if (numAcknowledged > 0) this.#sent = this.#sent.slice(numAcknowledged);
  }

  #emptyPlan(planSeq: bigint): ExecutorPlan {
    return {
      masterEpoch: this.#options.masterEpoch,
      planSeq,
      maxPrefillTokens: this.#options.maxPrefillTokens,
      add: [],
      grant: [],
      remove: [],
      resume: false,
    };
  }
}
