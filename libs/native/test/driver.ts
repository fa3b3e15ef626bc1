// Drives one native executor in a test as a master would: grants blocks, sends plans, collects what each sequence generates.
import type { ExecutorSpec, KernelClass, ModelSpec, NumericPolicy, WeightPlan } from '@switchyard/model';
import { openModel } from '@switchyard/model-files';
import {
  type ExpertPlacement,
  loadNative,
  type NativeCommunicator,
  type Plan,
  type SamplingSpec,
  type SequenceSpec,
  type StepEvent,
  type StepToken,
} from '../src/index.js';

export const modelDir = new URL('../../../models/switchyard-tiny', import.meta.url).pathname;

export interface OpenedWeights {
  spec: ModelSpec;
  executorSpec: ExecutorSpec;
  weights: WeightPlan;
  policy: NumericPolicy;
}

export const openTinyModel = (): Promise<OpenedWeights> => openModel(modelDir);

export const greedy: SamplingSpec = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  seed: 0n,
  logprobs: true,
  topLogprobs: 0,
};

const blockTokens = 16;
const waitMs = 20_000;

/** A sequence to run: everything a SequenceSpec has that is not the driver's to decide. */
export type Job = Pick<SequenceSpec, 'tokens' | 'sampling' | 'maxNewTokens' | 'stopTokenIds'>;

export interface DriverOptions {
  numBlocks?: number;
  maxBatchTokens?: number;
  threads?: number;
  maxPrefillTokens?: number;
  numSpeculativeTokens?: number;
  communicator?: NativeCommunicator | null;
  experts?: ExpertPlacement | null;
  kernelClass?: KernelClass;
}

export class Driver {
  readonly events: StepEvent[] = [];
  readonly executor;
  private planSeq = 0n;
  private nextBlock = 0;
  private readonly waiters = new Set<() => void>();
  private readonly options: Required<DriverOptions>;

  constructor(model: OpenedWeights, options: DriverOptions = {}) {
    this.options = {
      numBlocks: 256,
      maxBatchTokens: 64,
      threads: 1,
      maxPrefillTokens: 64,
      numSpeculativeTokens: 0,
      communicator: null,
      experts: null,
      kernelClass: 'fma16',
      ...options,
    };
    this.executor = loadNative().createExecutor({
      model: model.executorSpec,
      weights: model.weights,
      arena: null,
      policy: model.policy,
      kernelClass: this.options.kernelClass,
      numBlocks: this.options.numBlocks,
      blockTokens,
      maxBatchTokens: this.options.maxBatchTokens,
      numSpeculativeTokens: this.options.numSpeculativeTokens,
      threads: this.options.threads,
      communicator: this.options.communicator,
      experts: this.options.experts,
      onSteps: (events) => {
        this.events.push(...events);
        for (const check of [...this.waiters]) check();
      },
    });
  }

  submit(plan: Partial<Plan>): bigint {
    this.planSeq += 1n;
    this.executor.submit({
      masterEpoch: 1n,
      planSeq: this.planSeq,
      maxPrefillTokens: this.options.maxPrefillTokens,
      add: [],
      grant: [],
      remove: [],
      resume: false,
      ...plan,
    });
    return this.planSeq;
  }

  /** A sequence with all the blocks that its job can need. */
  sequence(seqId: bigint, job: Job, extra: Partial<SequenceSpec> = {}): SequenceSpec {
    const numBlocks = Math.ceil((job.tokens.length + job.maxNewTokens) / blockTokens);
    const blocks = Array.from({ length: numBlocks }, () => this.nextBlock++);
    const numPromptTokens = job.tokens.length;
    return { seqId, ...job, numPromptTokens, numComputed: 0, blocks, source: null, hold: false, trace: null, ...extra };
  }

  /** Resolves once `condition` holds for the events so far; rejects after 20 s. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(check);
        reject(new Error(`not reached in ${waitMs} ms; last event: ${String(this.events.at(-1)?.step)}`));
      }, waitMs);
      const check = () => {
        if (!condition()) return;
        clearTimeout(timer);
        this.waiters.delete(check);
        resolve();
      };
      this.waiters.add(check);
      check();
    });
  }

  tokensOf(seqId: bigint): StepToken[] {
    return this.events.flatMap((event) => event.tokens).filter((token) => token.seqId === seqId);
  }

  finishOf(seqId: bigint): string | undefined {
    return this.events.flatMap((event) => event.finished).find((finished) => finished.seqId === seqId)?.reason;
  }

  isAcknowledged(planSeq: bigint): boolean {
    return this.events.some((event) => event.appliedPlanSeq >= planSeq);
  }

  close(): void {
    this.executor.close();
  }
}
