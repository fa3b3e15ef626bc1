// One decode task: the stream to one decode TE, in the order of the protocol (reserve, reserved, start, deltas and
// preemptions). Called by run-job.ts. It reads ahead by one message, so that a TE that dies while the prompt is still
// being prefilled is noticed at once.
import { ServiceError } from '@switchyard/kit';
import type { common, task } from '@switchyard/proto';
import type { DecodeCall } from './task-clients.js';

export type DecodeEvent = { kind: 'delta'; delta: common.OutputDelta } | { kind: 'preempted'; tokenIds: number[] };

/** How long a TE has to close its side of a stream whose answer is complete. */
const FINISH_TIMEOUT_MS = 1_000;

export class DecodeTask {
  readonly #call: DecodeCall;
  readonly #member: string;
  readonly #messages: AsyncIterator<task.DecodeResponse>;
  readonly #failed = new AbortController();
  #ahead: Promise<IteratorResult<task.DecodeResponse>> | undefined;

  /** @param member id of the decode TE, for errors */
  constructor(call: DecodeCall, member: string) {
    this.#call = call;
    this.#member = member;
    this.#messages = call.receive[Symbol.asyncIterator]();
  }

  /** Aborted, with the error, when the stream breaks while nobody is reading from it. */
  get failed(): AbortSignal {
    return this.#failed.signal;
  }

  /** Asks for a place and waits for it. Throws QUEUE_FULL with a retry hint when there is none. */
  async reserve(request: task.DecodeReserve): Promise<void> {
    await this.#call.send({ message: { $case: 'reserve', value: request } });
    const message = await this.#next();
    if (message?.$case !== 'reserved') throw this.#broken(`${message?.$case ?? 'nothing'} before reserved`);
    this.#readAhead();
  }

  /** Hands over a prefilled sequence; `tokenIds` is the prompt and all tokens so far. */
  async start(handle: task.KvHandle, tokenIds: number[]): Promise<void> {
    await this.#call.send({ message: { $case: 'start', value: { handle, tokenIds } } });
  }

  /** The next event after `start`. */
  async next(): Promise<DecodeEvent> {
    const message = await this.#next();
    if (message?.$case === 'delta') return { kind: 'delta', delta: message.value };
    if (message?.$case === 'preempted') {
      this.#readAhead();
      return { kind: 'preempted', tokenIds: message.value.tokenIds };
    }
    throw this.#broken(message?.$case ?? 'an empty message');
  }

  /** Ends a stream that has done its work: the TE closes its side, and the call counts as a good one. Does not wait. */
  finish(): void {
    this.#call.end();
    const timer = setTimeout(() => this.cancel(), FINISH_TIMEOUT_MS);
    // Whatever still comes, a failure included, changes nothing for an answer that is complete.
    const ended = this.#ahead ?? this.#messages.next();
    ended.catch(() => undefined).finally(() => clearTimeout(timer));
  }

  /** Ends the stream and with it the sequence. */
  cancel(): void {
    this.#call.cancel();
  }

  #readAhead(): void {
    this.#ahead = this.#messages.next();
    this.#ahead.then(
      (result) => {
        if (result.done) this.#failed.abort(this.#ended());
      },
      (error: unknown) => this.#failed.abort(error),
    );
  }

  async #next(): Promise<task.DecodeResponse['message']> {
    const pending = this.#ahead ?? this.#messages.next();
    this.#ahead = undefined;
    const result = await pending;
    if (result.done) throw this.#ended();
    return result.value.message;
  }

  #ended(): ServiceError {
    return new ServiceError('MEMBER_UNAVAILABLE', `${this.#member} ended the answer before it was finished`, {
      member: this.#member,
    });
  }

  #broken(what: string): ServiceError {
    return new ServiceError('INTERNAL', `${this.#member} broke the decode protocol: ${what}`, { member: this.#member });
  }
}
