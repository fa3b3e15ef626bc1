// Decode tasks: one answer on one stream (D1). A stream takes a place, then runs the sequence it is handed, through preemptions,
// until the answer, its deadline or its caller ends. The decode app serves it; which DP group runs it is chosen here.
import { bidi, type CallContext, type GrpcService, grpcService, ServiceError, toServiceError } from '@switchyard/kit';
import { task } from '@switchyard/proto';
import { chooseDpGroup } from '@switchyard/scheduling';
import type { ClaimedKv, KvClaims } from '../kv/claims.js';
import type { DpGroupMaster } from '../master/master.js';
import type { Place, RunningSequence } from '../master/place.js';
import { deltaToProto, required, traceOf } from '../wire.js';
import type { ActiveCalls } from './active-calls.js';
import { Answer } from './answer.js';
import { type CheckedReserve, checkReserve, checkStart } from './decode-checks.js';
import { replayOutput } from './output.js';
import type { ServedModel } from './validate.js';

/** The DP groups of this TE, as they come and go. */
export interface DpGroups {
  /** Those that exist now, able to run or not. */
  masters(): DpGroupMaster[];
  /** What to tell a request when there is none. */
  whyNone(): ServiceError;
}

export interface DecodeTaskOptions {
  model: ServedModel;
  groups: DpGroups;
  claims: KvClaims;
  calls: ActiveCalls;
  /** Longest wait for a start message, in ms: the time a prefill may take. */
  startTimeoutMs: number;
}

type Send = (response: task.DecodeResponse) => Promise<void>;
interface Held {
  master: DpGroupMaster;
  place: Place;
}

export class DecodeTaskService {
  readonly #options: DecodeTaskOptions;

  constructor(options: DecodeTaskOptions) {
    this.#options = options;
  }

  get grpc(): GrpcService {
    return grpcService(task.DecodeServiceService, {
      decode: bidi((incoming: AsyncIterable<task.DecodeRequest>, send: Send, call) =>
        this.#options.calls.run(() => this.decode(incoming, send, call)),
      ),
    });
  }

  async decode(incoming: AsyncIterable<task.DecodeRequest>, send: Send, call: CallContext): Promise<void> {
    const messages = incoming[Symbol.asyncIterator]();
    const first = await this.#nextMessage(messages, call.signal);
    if (first?.$case !== 'reserve') throw new ServiceError('INVALID_ARGUMENT', 'the first message is not reserve');
    const reserve = checkReserve(first.value, this.#options.model);
    let held = this.#reserve(reserve);
    try {
      await send({ message: { $case: 'reserved', value: { numAhead: held.place.numAhead } } });
      for (;;) {
        const message = await this.#nextMessage(messages, call.signal);
        // The caller ended the stream: the first token was the last, or it gave up.
        if (message === null) return;
        if (message.$case !== 'start') throw new ServiceError('INVALID_ARGUMENT', 'the message is not start');
        held = this.#moveIfLost(held, reserve);
        const tokenIds = await this.#run(held, reserve, message.value, send, call);
        if (tokenIds === null) return;
        await send({ message: { $case: 'preempted', value: { tokenIds } } });
      }
    } finally {
      held.place.release();
    }
  }

  #reserve(reserve: CheckedReserve): Held {
    const all = this.#options.groups.masters();
    const usable = all.filter(({ obstacle }) => obstacle === null);
    const groupIdx = chooseDpGroup(usable.map((master) => master.load()));
    const master = groupIdx === null ? undefined : usable[groupIdx];
    if (master === undefined) throw all[0]?.obstacle ?? this.#options.groups.whyNone();
    return { master, place: master.reserve(reserve.maxTokensTotal) };
  }

  /** Another group takes over a place whose group went away before the sequence began. */
  #moveIfLost(held: Held, reserve: CheckedReserve): Held {
    if (held.master.obstacle === null) return held;
    held.place.release();
    return this.#reserve(reserve);
  }

  /** Runs the sequence to its end: null, or all tokens so far when it was preempted. Throws when it fails. */
  async #run(
    { master, place }: Held,
    reserve: CheckedReserve,
    start: task.DecodeStart,
    send: Send,
    call: CallContext,
  ): Promise<number[] | null> {
    const { model, claims } = this.#options;
    const handle = checkStart(start, reserve, master.info, model);
    const { numPromptTokens, sampling, stop } = reserve;
    const generated = start.tokenIds.slice(numPromptTokens);
    const output = replayOutput({ model, stop, numPromptTokens, generated });
    const claim = await claims.claim(handle, master.info, call);
    const answer = new Answer({ output, logprobs: sampling.logprobs, onSourceDone: claim.release });
    const running = startSequence(master, place, claim, answer, {
      identity: reserve.identity,
      tokens: [...start.tokenIds],
      numPromptTokens,
      sampling,
      stopTokenIds: stop.stopTokenIds,
      maxNewTokens: stop.maxTokens - generated.length,
      trace: traceOf(call.span),
    });
    try {
      return await streamAnswer(answer, send, call.signal);
    } finally {
      running.cancel();
    }
  }

  /** The next message; null at the end of the stream. Rejects on cancel, deadline, or when nothing comes in time. */
  async #nextMessage(
    messages: AsyncIterator<task.DecodeRequest>,
    signal: AbortSignal,
  ): Promise<NonNullable<task.DecodeRequest['message']> | null> {
    const { startTimeoutMs } = this.#options;
    const waiting = new AbortController();
    const late = new ServiceError('DEADLINE_EXCEEDED', `no message for ${startTimeoutMs} ms`);
    const timer = setTimeout(() => waiting.abort(late), startTimeoutMs);
    const onAbort = () => waiting.abort(toServiceError(signal.reason));
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const aborted = new Promise<never>((_, reject) => {
      if (waiting.signal.aborted) reject(waiting.signal.reason);
      waiting.signal.addEventListener('abort', () => reject(waiting.signal.reason), { once: true });
    });
    try {
      const result = await Promise.race([messages.next(), aborted]);
      return result.done === true ? null : required(result.value.message, 'message');
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    }
  }
}

type StartRequest = Omit<Parameters<Place['start']>[0], 'source' | 'adopt'>;

/** Hands the claimed KV to the master; a claim that it does not take is given back. */
function startSequence(
  master: DpGroupMaster,
  place: Place,
  claim: ClaimedKv,
  answer: Answer,
  request: StartRequest,
): RunningSequence {
  const { source, adopt } = claim;
  try {
    if (adopt !== null && adopt.master !== master) throw new ServiceError('INTERNAL', 'the KV is of another DP group');
    return place.start({ ...request, source, adopt: adopt?.seqId ?? null }, answer);
  } catch (error) {
    adopt?.master.dropHeld(adopt.seqId);
    claim.release();
    throw error;
  }
}

async function streamAnswer(answer: Answer, send: Send, signal: AbortSignal): Promise<number[] | null> {
  for (;;) {
    const event = await answer.next(signal);
    if (event.kind === 'failed') throw event.error;
    if (event.kind === 'preempted') return event.tokens;
    await send({ message: { $case: 'delta', value: deltaToProto(event.delta) } });
    if (event.delta.finishReason !== null) return null;
  }
}
