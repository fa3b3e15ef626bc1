// A bounded queue between callbacks that must not wait and a stream that may: pushed by one, drained by the other.
import { ServiceError } from '@switchyard/kit';

export class Outbox<T> {
  #messages: T[] = [];
  #error: unknown = null;
  #wake: (() => void) | null = null;

  constructor(private readonly numMax: number) {}

  /** Over the bound the reader is stuck: the stream fails. */
  push(message: T): void {
    if (this.#messages.length >= this.numMax) {
      this.fail(new ServiceError('RESOURCE_EXHAUSTED', `${this.numMax} messages wait for a reader that takes none`));
      return;
    }
    this.#messages.push(message);
    this.#wake?.();
  }

  /** Ends drainTo with an error, once what it sends now is sent. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.#wake?.();
  }

  /** Sends in order until fail(), a failing send, or the signal; never resolves. */
  async drainTo(send: (message: T) => Promise<void>, signal: AbortSignal): Promise<never> {
    const onAbort = () => this.fail(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      for (;;) {
        if (signal.aborted) onAbort();
        if (this.#error !== null) throw this.#error;
        const messages = this.#messages;
        this.#messages = [];
        for (const message of messages) await send(message);
        if (this.#messages.length === 0 && this.#error === null) await this.#wait();
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = null;
        resolve();
      };
    });
  }
}
