// Turns plain async functions into grpc-js handlers: errors become statuses, cancellation and deadline an AbortSignal,
// the caller's trace context the parent of the handler's span. Every handler of every service goes through here.
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  ServerDuplexStream,
  ServerWritableStream,
} from '@grpc/grpc-js';
import { toGrpcStatus } from '../errors/grpc.js';
import { toServiceError } from '../errors/service-error.js';
import { type ServerSpan, startServerSpan } from '../telemetry/rpc-spans.js';
import { type CallContext, callContext, type ServerCall } from './call-context.js';
import { type MessageQueue, readMessages } from './messages.js';
import { writeMessage } from './write.js';

/** One request, one response. */
export function unary<Req, Res>(
  handler: (request: Req, call: CallContext) => Promise<Res> | Res,
): handleUnaryCall<Req, Res> {
  return (call, callback) => {
    const { context, span } = open(call);
    span
      .run(async () => handler(call.request, context))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(toGrpcStatus(reasonOf(context, error))),
      );
  };
}

/** One request, a stream of responses. The generator is asked for more only when the peer has room. */
export function serverStream<Req, Res>(
  handler: (request: Req, call: CallContext) => AsyncIterable<Res>,
): handleServerStreamingCall<Req, Res> {
  return (call) => {
    const { context, span } = open(call);
    answer(call, context, span, async () => {
      for await (const response of handler(call.request, context)) await writeMessage(call, response, context.signal);
    });
  };
}

/** Streams both ways. The call ends when the handler's promise settles; `incoming` throws when the call is cancelled. */
export function bidi<Req, Res>(
  handler: (incoming: AsyncIterable<Req>, send: (response: Res) => Promise<void>, call: CallContext) => Promise<void>,
): handleBidiStreamingCall<Req, Res> {
  return (call) => {
    const { context, span } = open(call);
    const incoming: MessageQueue<Req> = readMessages(call, () => {});
    call.on('end', () => afterCancelWouldShow(() => incoming.finish()));
    context.signal.addEventListener('abort', () => incoming.finish(toServiceError(context.signal.reason)));
    const send = (response: Res) => writeMessage(call, response, context.signal);
    answer(call, context, span, () => handler(incoming, send, context));
  };
}

function open(call: ServerCall): { context: CallContext; span: ServerSpan } {
  const span = startServerSpan(call.getPath(), call.metadata);
  return { context: callContext(call, span.span), span };
}

function answer<Req, Res>(
  call: ServerWritableStream<Req, Res> | ServerDuplexStream<Req, Res>,
  context: CallContext,
  span: ServerSpan,
  body: () => Promise<void>,
): void {
  span.run(body).then(
    () => call.end(),
    (error: unknown) => call.emit('error', toGrpcStatus(reasonOf(context, error))),
  );
}

/**
 * A cancelled call or a lost peer first looks like the end of the incoming messages; 'cancelled' follows two or three
 * turns of the event loop later. Whoever reads must not take the one for the other.
 */
function afterCancelWouldShow(callback: () => void, numTurns = 10): void {
  if (numTurns === 0) callback();
  else setImmediate(() => afterCancelWouldShow(callback, numTurns - 1));
}

/** After an abort the reason tells more than whatever the handler tripped over. */
function reasonOf(context: CallContext, error: unknown): unknown {
  return context.signal.aborted ? context.signal.reason : error;
}
