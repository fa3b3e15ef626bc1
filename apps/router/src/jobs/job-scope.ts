// The life of one job: one signal that ends it, the reason why, and the time it has left. Client gone, deadline, router
// draining and a lost TE all end in the same place. Made by the HTTP and gRPC edges, used by run-job.ts.
import { ServiceError } from '@switchyard/kit';

export class JobScope {
  readonly #controller = new AbortController();
  readonly #deadlineAt: number;
  readonly #timer: NodeJS.Timeout;

  /** @param timeoutMs time the job may take, from now */
  constructor(timeoutMs: number) {
    this.#deadlineAt = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      this.end(new ServiceError('DEADLINE_EXCEEDED', `the request took longer than its ${Math.round(timeoutMs)} ms`));
    }, timeoutMs);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds left, at least 1: what a hop gets as its own deadline. */
  get remainingMs(): number {
    return Math.max(1, Math.ceil(this.#deadlineAt - performance.now()));
  }

  /** Why the job was ended from outside; undefined while it was not. */
  get reason(): ServiceError | undefined {
    return this.signal.aborted ? (this.signal.reason as ServiceError) : undefined;
  }

  /** Ends the job; the first reason stays. */
  end(reason: ServiceError): void {
    this.#controller.abort(reason);
  }

  /** The job is over: frees the timer. */
  close(): void {
    clearTimeout(this.#timer);
  }
}
