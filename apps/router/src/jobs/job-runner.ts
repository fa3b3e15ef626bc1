// Runs jobs and keeps count of them: admission, the span of each job, metrics, draining. Called by requests/; the flow
// of one job is in run-job.ts.
import { type Context, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { type Logger, ServiceError, toServiceError } from '@switchyard/kit';
import type { common } from '@switchyard/proto';
import type { RouterMetrics } from '../metrics.js';
import type { Job } from './job.js';
import { SpanObserver } from './job-observer.js';
import type { JobScope } from './job-scope.js';
import type { ModelCatalog } from './model-catalog.js';
import { runJob } from './run-job.js';
import type { TaskClients } from './task-clients.js';

export interface JobRunnerTools {
  catalog: ModelCatalog;
  clients: TaskClients;
  metrics: RouterMetrics;
  tracer: Tracer;
  log: Logger;
  /** Jobs that may run at once; one more is refused with QUEUE_FULL. */
  maxJobs: number;
}

/** An answer on its way, with what is known of it so far. */
export interface RunningJob {
  deltas: AsyncGenerator<common.OutputDelta>;
  /** Prompt tokens that a cache held; final once the first delta is there. */
  readonly numCachedTokens: number;
}

/** When a client that was refused for too many jobs may try again. */
const BUSY_RETRY_AFTER_MS = 500;
/** How long jobs that were ended may take to end. */
const CLOSE_TIMEOUT_MS = 500;

export class JobRunner {
  readonly #tools: JobRunnerTools;
  /** Running jobs of each request: one with several prompts has several. */
  readonly #active = new Map<JobScope, number>();
  #numActive = 0;
  #draining = false;
  #onIdle: (() => void) | undefined;

  constructor(tools: JobRunnerTools) {
    this.#tools = tools;
  }

  get numActive(): number {
    return this.#numActive;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Streams the answer; throws ServiceError. Ending `scope` ends the job everywhere. */
  run(job: Job, scope: JobScope, parent: Context): RunningJob {
    const observer = new SpanObserver(job, this.#tools.metrics, this.#tools.log);
    return {
      deltas: this.#run(job, scope, parent, observer),
      get numCachedTokens() {
        return observer.numCachedTokens;
      },
    };
  }

  /** Refuses new jobs and waits for the running ones, at most `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    await this.#idle(deadlineMs);
  }

  /** Ends whatever still runs and gives it a moment to tell its clients. */
  async close(): Promise<void> {
    this.#draining = true;
    for (const scope of this.#active.keys()) scope.end(new ServiceError('DRAINING', 'the router is shutting down'));
    await this.#idle(CLOSE_TIMEOUT_MS);
  }

  async #idle(timeoutMs: number): Promise<void> {
    if (this.#numActive === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
  }

  async *#run(job: Job, scope: JobScope, parent: Context, observer: SpanObserver): AsyncGenerator<common.OutputDelta> {
    this.#admit();
    const span = this.#startSpan(job, parent);
    observer.span = span;
    this.#enter(job, scope);
    try {
      const { catalog, clients } = this.#tools;
      const directory = catalog.directoryOf(job.model);
      yield* runJob(job, scope, { directory, clients, observer, trace: trace.setSpan(parent, span) });
    } catch (error) {
      const failure = toServiceError(error);
      span.setAttribute('error.type', failure.code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message });
      throw failure;
    } finally {
      span.end();
      this.#leave(job, scope);
    }
  }

  #startSpan(job: Job, parent: Context): Span {
    const attributes = {
      'switchyard.job.id': job.id,
      'gen_ai.request.model': job.model,
      'switchyard.job.prompt_tokens': job.promptTokenIds.length,
      'switchyard.job.max_tokens': job.stop.maxTokens,
    };
    return this.#tools.tracer.startSpan('job', { attributes }, parent);
  }

  #enter(job: Job, scope: JobScope): void {
    this.#numActive++;
    this.#active.set(scope, (this.#active.get(scope) ?? 0) + 1);
    this.#tools.metrics.activeJobs.add(1, { model: job.model });
  }

  #leave(job: Job, scope: JobScope): void {
    this.#numActive--;
    const left = (this.#active.get(scope) ?? 1) - 1;
    if (left > 0) this.#active.set(scope, left);
    else this.#active.delete(scope);
    this.#tools.metrics.activeJobs.add(-1, { model: job.model });
    if (this.#numActive === 0) this.#onIdle?.();
  }

  #admit(): void {
    if (this.#draining) throw new ServiceError('DRAINING', 'the router is shutting down', { retryAfterMs: 1_000 });
    if (this.#numActive < this.#tools.maxJobs) return;
    throw new ServiceError('QUEUE_FULL', `the router runs ${this.#tools.maxJobs} jobs, its limit`, {
      retryAfterMs: BUSY_RETRY_AFTER_MS,
    });
  }
}
