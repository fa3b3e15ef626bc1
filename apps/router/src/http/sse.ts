// Server-sent events on one reply: headers go out with the first event, each write waits while the client is slow.
// Used by completion-route.ts; the events are made elsewhere.
import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** How long a client may take to read the end of its answer. */
const LAST_READ_TIMEOUT_MS = 30_000;

export class SseStream {
  readonly #reply: FastifyReply;
  readonly #response: ServerResponse;
  readonly #signal: AbortSignal;

  /** @param signal ends a wait for a slow client; its reason is thrown */
  constructor(reply: FastifyReply, signal: AbortSignal) {
    this.#reply = reply;
    this.#response = reply.raw;
    this.#signal = signal;
  }

  /** Whether the client has been told 200 and no other status is possible any more. */
  get opened(): boolean {
    return this.#response.headersSent;
  }

  /** Sends framed events; resolves when there is room for more. */
  async send(frames: string): Promise<void> {
    this.#signal.throwIfAborted();
    if (!this.opened) this.#open();
    if (!this.#response.write(frames)) await this.#drained();
  }

  /** Ends the response with these frames. Does not wait; a client that does not read them loses the connection. */
  end(frames: string): void {
    if (!this.opened) this.#open();
    this.#response.end(frames);
    const timer = setTimeout(() => this.#response.destroy(), LAST_READ_TIMEOUT_MS);
    this.#response.once('close', () => clearTimeout(timer));
  }

  #open(): void {
    this.#reply.hijack();
    for (const [name, value] of Object.entries(this.#reply.getHeaders())) {
      if (value !== undefined) this.#response.setHeader(name, value);
    }
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
    });
  }
}
