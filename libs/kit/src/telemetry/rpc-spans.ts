// Spans of gRPC calls on both sides, and the W3C trace context in their metadata. Calls that only keep the system
// together (health, reflection, membership) get none: they would drown the requests.
import type { Metadata } from '@grpc/grpc-js';
import { type Attributes, context, propagation, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { toServiceError } from '../errors/service-error.js';
import { errorTable } from '../errors/table.js';

const untraced = /^\/(grpc\.|switchyard\.cluster\.)/;

export interface ServerSpan {
  span: Span;
  /** Runs the handler with the span active, and ends the span with its outcome. */
  run<T>(body: () => Promise<T>): Promise<T>;
}

export function startServerSpan(path: string, metadata: Metadata): ServerSpan {
  const parent = propagation.extract(context.active(), metadata, {
    get: (carrier, key) => carrier.get(key).map(String),
    keys: (carrier) => Object.keys(carrier.getMap()),
  });
  const span = untraced.test(path)
    ? trace.wrapSpanContext({ traceId: '', spanId: '', traceFlags: 0 })
    : tracer().startSpan(path.slice(1), { kind: SpanKind.SERVER, attributes: rpcAttributes(path) }, parent);
  const active = untraced.test(path) ? parent : trace.setSpan(parent, span);
  return { span, run: (body) => context.with(active, () => endWith(span, body)) };
}

export interface ClientSpan {
  /** Adds the trace context to the metadata of the call. */
  inject(metadata: Metadata): void;
  /** Ends the span; with an error when the call failed. Later calls do nothing. */
  end(error?: unknown): void;
}

/** A client span under the active one; without an active span there is nothing to trace. */
export function startClientSpan(path: string): ClientSpan {
  if (untraced.test(path) || !trace.getActiveSpan()) return { inject: () => {}, end: () => {} };
  const span = tracer().startSpan(path.slice(1), { kind: SpanKind.CLIENT, attributes: rpcAttributes(path) });
  const active = trace.setSpan(context.active(), span);
  let ended = false;
  return {
    inject: (metadata) =>
      propagation.inject(active, metadata, { set: (carrier, key, value) => carrier.set(key, value) }),
    end(error) {
      if (ended) return;
      ended = true;
      if (error !== undefined) setFailure(span, error);
      span.end();
    },
  };
}

async function endWith<T>(span: Span, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    setFailure(span, error);
    throw error;
  } finally {
    span.end();
  }
}

/** Marks a span as failed, with our code as `error.type`. */
export function setFailure(span: Span, thrown: unknown): void {
  const error = toServiceError(thrown);
  span.setAttributes({ 'error.type': error.code, 'rpc.grpc.status_code': errorTable[error.code].grpc });
  span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
}

function rpcAttributes(path: string): Attributes {
  const [, service = '', method = ''] = path.split('/');
  return { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': method };
}

const tracer = () => trace.getTracer('@switchyard/kit');
