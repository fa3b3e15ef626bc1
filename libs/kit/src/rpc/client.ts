// Calls to other services. Every call has a deadline, its cancellation is passed on, errors come back as ServiceError,
// and the active span becomes the parent on the other side. Nobody calls the generated clients directly.
import type { Client, ClientDuplexStream, ClientReadableStream, ClientUnaryCall } from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { fromGrpcError } from '../errors/grpc.js';
import { ServiceError, toServiceError } from '../errors/service-error.js';
import { type ClientSpan, startClientSpan } from '../telemetry/rpc-spans.js';
import type { CallContext } from './call-context.js';
import type {
  BidiMethod,
  BidiPair,
  ServerStreamMethod,
  ServerStreamPair,
  UnaryMethod,
  UnaryPair,
} from './client-types.js';
import { type MessageQueue, readMessages } from './messages.js';
import { writeMessage } from './write.js';

export interface CallLimits {
  /** Every call has a deadline: ms from now. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** The call being answered: its cancellation and its remaining time bound this one too. */
  within?: CallContext;
  /** Id of the member called; named by errors that name none, such as those of a lost connection. */
  member?: string;
}

export interface UnaryLimits extends CallLimits {
  /** Further attempts after UNAVAILABLE, within the same deadline; 0 by default. Only for calls that may run twice. */
  retries?: number;
}

export interface BidiCall<Req, Res> {
  /** Resolves when there is room for more; rejects when the call has ended. */
  send(request: Req): Promise<void>;
  /** Ends when the other side ends well, throws its error otherwise. Leaving the loop early cancels the call. */
  receive: AsyncIterable<Res>;
  /** No more requests. */
  end(): void;
  cancel(): void;
}

const retryDelayMsMin = 25;
const retryDelayMsMax = 400;

/** One request, one response. Rejects with a ServiceError. */
export async function callUnary<C extends Client, M extends UnaryMethod<C>>(
  client: C,
  method: M,
  request: UnaryPair<C[M]>['request'],
  limits: UnaryLimits,
): Promise<UnaryPair<C[M]>['response']> {
  const deadlineAtMs = deadlineOf(limits);
  for (let attemptIdx = 0; ; attemptIdx++) {
    try {
      return await unaryOnce(client, method, request, limits, deadlineAtMs);
    } catch (thrown) {
      const error = toServiceError(thrown);
      const delayMs = Math.min(retryDelayMsMax, retryDelayMsMin * 2 ** attemptIdx);
      const again =
        attemptIdx < (limits.retries ?? 0) && isConnectionLoss(error) && Date.now() + delayMs < deadlineAtMs;
      if (!again) throw error;
      await pause(delayMs, signalOf(limits));
    }
  }
}

/** One request, a stream of responses. Leaving the loop early cancels the call. The call starts at once. */
export function callServerStream<C extends Client, M extends ServerStreamMethod<C>>(
  client: C,
  method: M,
  request: ServerStreamPair<C[M]>['request'],
  limits: CallLimits,
): AsyncIterable<ServerStreamPair<C[M]>['response']> {
  type Res = ServerStreamPair<C[M]>['response'];
  const { metadata, options, span } = prepare(client, method, limits, deadlineOf(limits));
  const stream = methodOf<ClientReadableStream<Res>>(client, method)(request, metadata, options);
  return receive<Res>(stream, limits, span).messages;
}

/** Streams both ways. */
export function callBidi<C extends Client, M extends BidiMethod<C>>(
  client: C,
  method: M,
  limits: CallLimits,
): BidiCall<BidiPair<C[M]>['request'], BidiPair<C[M]>['response']> {
  type Req = BidiPair<C[M]>['request'];
  type Res = BidiPair<C[M]>['response'];
  const { metadata, options, span } = prepare(client, method, limits, deadlineOf(limits));
  const stream = methodOf<ClientDuplexStream<Req, Res>>(client, method)(metadata, options);
  const { messages, ended, cancel } = receive<Res>(stream, limits, span);
  return {
    send: (request) => writeMessage(stream, request, ended),
    receive: messages,
    end: () => stream.end(),
    cancel,
  };
}

function unaryOnce<Res>(
  client: Client,
  method: string,
  request: unknown,
  limits: CallLimits,
  deadlineAtMs: number,
): Promise<Res> {
  const signal = signalOf(limits);
  if (signal?.aborted) return Promise.reject(toServiceError(signal.reason));
  const { metadata, options, span } = prepare(client, method, limits, deadlineAtMs);
  return new Promise<Res>((resolve, reject) => {
    const done = (error: Error | null, response: Res) => {
      signal?.removeEventListener('abort', onAbort);
      const failure = error ? failureOf(error, limits) : undefined;
      span.end(failure);
      if (failure) reject(failure);
      else resolve(response);
    };
    const call = methodOf<ClientUnaryCall>(client, method)(request, metadata, options, done);
    const onAbort = () => call.cancel();
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Reads a stream's messages until its status; `ended` is aborted then. */
function receive<Res>(
  stream: ClientReadableStream<Res> | ClientDuplexStream<never, Res>,
  limits: CallLimits,
  span: ClientSpan,
): { messages: MessageQueue<Res>; ended: AbortSignal; cancel: () => void } {
  const signal = signalOf(limits);
  const controller = new AbortController();
  let isOurs = false;
  const cancel = () => {
    isOurs = true;
    stream.cancel();
  };
  const messages = readMessages<Res>(stream, cancel);
  const finish = (error?: Error) => {
    signal?.removeEventListener('abort', cancel);
    span.end(error);
    messages.finish(error);
    controller.abort(error ?? new ServiceError('CLOSED', 'the call has ended'));
  };
  stream.on('error', (error: Error) => finish(failureOf(error, limits, isOurs)));
  stream.on('end', () => finish());
  if (signal?.aborted) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
  return { messages, ended: controller.signal, cancel };
}

function prepare(client: Client, method: string, _limits: CallLimits, deadlineAtMs: number) {
  const span = startClientSpan(pathOf(client, method));
  const metadata = new Metadata();
  span.inject(metadata);
  return { metadata, options: { deadline: deadlineAtMs }, span };
}

/**
 * Our own abort reason tells more than the CANCELLED that gRPC makes of it; a CANCELLED that we did not ask for is a
 * server that cut its calls on its way out.
 */
function failureOf(error: Error, limits: CallLimits, isOurs = false): ServiceError {
  const failure = fromGrpcError(error, limits.member);
  const signal = signalOf(limits);
  if (failure.code !== 'CANCELLED' || (isOurs && !signal?.aborted)) return failure;
  if (signal?.aborted) return toServiceError(signal.reason);
  return new ServiceError('MEMBER_UNAVAILABLE', 'the other side ended the call', {
    ...(failure.member && { member: failure.member }),
    cause: error,
  });
}

function deadlineOf(limits: CallLimits): number {
  return Date.now() + Math.min(limits.timeoutMs, limits.within?.deadlineMs ?? Number.POSITIVE_INFINITY);
}

const joinedSignals = new WeakMap<CallLimits, AbortSignal>();

function signalOf(limits: CallLimits): AbortSignal | undefined {
  const { signal, within } = limits;
  if (!signal || !within) return signal ?? within?.signal;
  const joined = joinedSignals.get(limits) ?? AbortSignal.any([signal, within.signal]);
  joinedSignals.set(limits, joined);
  return joined;
}

/** A lost connection: UNAVAILABLE made by gRPC itself, not an answer of the service. */
function isConnectionLoss(error: ServiceError): boolean {
  return error.code === 'MEMBER_UNAVAILABLE';
}

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(finish, delayMs);
    function finish() {
      signal?.removeEventListener('abort', finish);
      clearTimeout(timer);
      if (signal?.aborted) reject(toServiceError(signal.reason));
      else resolve();
    }
    signal?.addEventListener('abort', finish, { once: true });
  });
}

type AnyMethod<R> = (...args: unknown[]) => R;

/** The generated method, untyped: the public functions above have checked name and request. */
function methodOf<R>(client: Client, method: string): AnyMethod<R> {
  const found: unknown = Reflect.get(client, method);
  if (typeof found !== 'function') throw new Error(`client has no method '${method}'`);
  return found.bind(client) as AnyMethod<R>;
}

/** `/package.Service/Method` of a generated client's method: grpc-js keeps it on the method. */
function pathOf(client: Client, method: string): string {
  const path: unknown = Reflect.get(Reflect.get(client, method) as object, 'path');
  return typeof path === 'string' ? path : `/${method}`;
}
