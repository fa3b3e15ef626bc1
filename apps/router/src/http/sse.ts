// Server-sent events on one response: headers go out with the first event, each write waits while the client is slow.
// Used by the streaming handlers; the payloads are made elsewhere.
import type { ServerResponse } from 'node:http';

export class SseStream {
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;

  /** @param signal ends a wait for a slow client; its reason is thrown */
  constructor(response: ServerResponse, signal: AbortSignal) {
    this.#response = response;
    this.#signal = signal;
  }

  /** Whether the client has been told 200 and no other status is possible any more. */
  get opened(): boolean {
    return this.#response.headersSent;
  }

  /** Sends a framed event; resolves when there is room for the next. */
  async send(frame: string): Promise<void> {
    if (!this.opened) this.#open();
    if (this.#response.write(frame)) return;
    await this.#drained();
  }

  /** Ends the response, after `frame` if one is given. Does not wait. */
  end(frame = ''): void {
    this.#response.end(frame);
  }

  #open(): void {
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
  }

  #drained(): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => () => {
        this.#response.off('drain', onDrain);
        this.#signal.removeEventListener('abort', onAbort);
        done();
      };
      const onDrain = settle(resolve);
      const onAbort = settle(() => reject(this.#signal.reason));
      this.#response.on('drain', onDrain);
      this.#signal.addEventListener('abort', onAbort);
      if (this.#signal.aborted) onAbort();
    });
  }
}
