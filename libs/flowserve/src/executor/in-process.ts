// The executor in this process: plans go straight to the native loop, its events come straight back. Prefill, colocated and PD
// decode run it under a master; the attention app serves it to a remote one (endpoint.ts).
import { ServiceError } from '@switchyard/kit';
import type { ExecutorOptions, KvRegion, NativeExecutor, NativeModule, StepEvent } from '@switchyard/native';
import type { Executor, ExecutorInfo, ExecutorListener, ExecutorPlan, Readiness } from './executor.js';

/** Sees every event before the master does: for spans and metrics. */
export interface StepObserver {
  onPlan(plan: ExecutorPlan): void;
  onStep(event: StepEvent): void;
}

export interface InProcessOptions {
  native: Pick<NativeModule, 'createExecutor' | 'numericClass'>;
  executor: Omit<ExecutorOptions, 'onSteps'>;
  memberId: string;
  memberEpoch: bigint;
  observers: StepObserver[];
}

export class InProcessExecutor implements Executor {
  readonly info: ExecutorInfo;
  readonly region: KvRegion;
  readonly #native: NativeExecutor;
  readonly #observers: StepObserver[];
  #listener: ExecutorListener | null = null;
  #readiness: Readiness = { ready: true };
  #isClosed = false;

  /** Loads the weights. Throws the native error when the model cannot be run. */
  constructor({ native, executor, memberId, memberEpoch, observers }: InProcessOptions) {
    this.#observers = observers;
    this.#native = native.createExecutor({ ...executor, onSteps: (events) => this.#onSteps(events) });
    this.region = this.#native.kvRegion();
    const { numBlocks, blockTokens, blockBytes, layoutVersion } = this.region;
    const numericClass = native.numericClass(executor.policy, executor.kernelClass);
    const { numSpeculativeTokens } = executor;
    const pool = { numBlocks, blockTokens, blockBytes, layoutVersion };
    this.info = { memberId, memberEpoch, ...pool, numericClass, numSpeculativeTokens };
  }

  start(listener: ExecutorListener): void {
    this.#listener = listener;
    listener.onReadiness(this.#readiness);
  }

  /** Called by the rank's runtime when experts come and go. */
  setReadiness(readiness: Readiness): void {
    this.#readiness = readiness;
    this.#listener?.onReadiness(readiness);
  }

  submit(plan: ExecutorPlan): void {
    if (this.#isClosed) return;
    for (const observer of this.#observers) observer.onPlan(plan);
    try {
      this.#native.submit(plan);
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      this.#listener?.onLost(new ServiceError('INTERNAL', `the native loop refused a plan: ${text}`, { cause }));
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#native.close();
  }

  #onSteps(events: StepEvent[]): void {
    if (this.#isClosed) return;
    for (const event of events) for (const observer of this.#observers) observer.onStep(event);
    this.#listener?.onSteps(events);
  }
}
