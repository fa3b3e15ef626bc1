// What a handler knows of the call it answers: cancellation, time left, metadata and span.
import type { Metadata, ServerUnaryCall } from '@grpc/grpc-js';
import type { Span } from '@opentelemetry/api';
import { ServiceError } from '../errors/service-error.js';

export interface CallContext {
  /** Aborted, with a ServiceError as reason, when the caller cancels or goes away, or the deadline passes. */
  readonly signal: AbortSignal;
  /** Time left now, in ms, never below 0; undefined when the caller set no deadline. */
  readonly deadlineMs: number | undefined;
  readonly metadata: Metadata;
  readonly span: Span;
}

/** A server call as far as the kit uses it: grpc-js emits 'cancelled' for a cancel, a lost peer and a passed deadline. */
export type ServerCall = Pick<
  ServerUnaryCall<unknown, unknown>,
  'cancelled' | 'metadata' | 'getDeadline' | 'getPath'
> & { once(event: 'cancelled', listener: () => void): unknown };

export function callContext(call: ServerCall, span: Span): CallContext {
  const controller = new AbortController();
  const deadlineAtMs = deadlineOf(call);
  call.once('cancelled', () => controller.abort(cancelReason(deadlineAtMs)));
  if (call.cancelled) controller.abort(cancelReason(deadlineAtMs));
  return {
    signal: controller.signal,
    get deadlineMs() {
      return deadlineAtMs === undefined ? undefined : Math.max(0, deadlineAtMs - Date.now());
    },
    metadata: call.metadata,
    span,
  };
}

function deadlineOf(call: ServerCall): number | undefined {
  const deadline = call.getDeadline();
  const atMs = deadline instanceof Date ? deadline.getTime() : deadline;
  return Number.isFinite(atMs) ? atMs : undefined;
}

function cancelReason(deadlineAtMs: number | undefined): ServiceError {
  // NOTE: timers may fire a little early, hence the tolerance; a client's own timer often cancels just before ours.
  const passed = deadlineAtMs !== undefined && Date.now() >= deadlineAtMs - 5;
  return passed
    ? new ServiceError('DEADLINE_EXCEEDED', 'the deadline of the call passed')
    : new ServiceError('CANCELLED', 'the caller cancelled or went away');
}
