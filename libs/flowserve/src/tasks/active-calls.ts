// Counts the calls that run, so that a drain can wait for their end and refuse new ones. Used by the task services.
import { ServiceError } from '@switchyard/kit';

export class ActiveCalls {
  #numActive = 0;
  #isDraining = false;
  #onIdle: (() => void)[] = [];

  get numActive(): number {
    return this.#numActive;
  }

  /** Runs `call` and counts it. Throws DRAINING once the drain has begun. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#isDraining) throw new ServiceError('DRAINING', 'shutting down', { retryAfterMs: 1000 });
    this.#numActive += 1;
    try {
      return await call();
    } finally {
      this.#numActive -= 1;
      if (this.#numActive === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
  }

  /** Refuses new calls and waits for those that run; false when the deadline came first. */
  async drain(deadlineMs: number): Promise<boolean> {
    this.#isDraining = true;
    if (this.#numActive === 0) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), deadlineMs);
      this.#onIdle.push(() => {
        clearTimeout(timer);
        resolve(true);
      });
    });
  }
}
