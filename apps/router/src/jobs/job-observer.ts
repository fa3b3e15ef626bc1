// Writes what happens to one job on its span, in the log and into the metrics. Made by job-runner.ts, told by run-job.ts.
import type { Span } from '@opentelemetry/api';
import type { Logger, ServiceError } from '@switchyard/kit';
import type { RouterMetrics } from '../metrics.js';
import type { Job } from './job.js';
import type { JobObserver } from './run-job.js';

export class SpanObserver implements JobObserver {
  /** Prompt tokens that a cache held at the first prefill; a later one finds what this job itself left there. */
  numCachedTokens = 0;
  readonly #metrics: RouterMetrics;
  readonly #log: Logger;
  readonly #job: Job;
  #span: Span | undefined;
  #prefilled = false;

  constructor(job: Job, metrics: RouterMetrics, log: Logger) {
    this.#job = job;
    this.#metrics = metrics;
    this.#log = log;
  }

  set span(span: Span) {
    this.#span = span;
  }

  retried(te: string, error: ServiceError): void {
    this.#metrics.retries.add(1, { te, model: this.#job.model });
    this.#span?.addEvent('retried', { 'switchyard.te': te, 'error.type': error.code });
    this.#log.warn({ requestId: this.#job.origin.requestId, te, code: error.code }, `retry after: ${error.message}`);
  }

  preempted(te: string): void {
    this.#metrics.preemptions.add(1, { te, model: this.#job.model });
    this.#span?.addEvent('preempted', { 'switchyard.te': te });
  }

  cached(numTokens: number): void {
    if (!this.#prefilled) this.numCachedTokens = numTokens;
    this.#prefilled = true;
  }
}
