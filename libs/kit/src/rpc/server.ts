// The server side of a call: what a handler gets and how one becomes a grpc-js handler.
import type { handleBidiStreamingCall, handleServerStreamingCall, handleUnaryCall, Metadata } from '@grpc/grpc-js';
import type { Span } from '@opentelemetry/api';

/** What a handler knows of the call it answers. */
export interface CallContext {
  /** Aborted when the caller cancels or goes away, or the deadline passes. */
  readonly signal: AbortSignal;
  /** Time left now, in ms, never below 0; undefined when the caller set no deadline. */
  readonly deadlineMs: number | undefined;
  readonly metadata: Metadata;
  readonly span: Span;
}

export declare function unary<Req, Res>(
  handler: (request: Req, call: CallContext) => Promise<Res> | Res,
): handleUnaryCall<Req, Res>;

export declare function serverStream<Req, Res>(
  handler: (request: Req, call: CallContext) => AsyncIterable<Res>,
): handleServerStreamingCall<Req, Res>;

export declare function bidi<Req, Res>(
  handler: (incoming: AsyncIterable<Req>, send: (response: Res) => Promise<void>, call: CallContext) => Promise<void>,
): handleBidiStreamingCall<Req, Res>;
