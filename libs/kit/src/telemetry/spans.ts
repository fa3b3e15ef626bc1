// Spans beside those of RPCs: stages of a request, and work of native loops that is reported after it happened.
import {
  type Attributes,
  type Context,
  context,
  type HrTime,
  type Span,
  type SpanContext,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';
import { setFailure } from './rpc-spans.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';

export interface RecordedSpan {
  startUnixNs: bigint;
  durationNs: bigint;
  /** A W3C traceparent or a span context; without one the span active now is the parent. */
  parent?: string | SpanContext;
  attributes?: Attributes;
  /** What went wrong, for a span that failed: a code of the error table, and the sentence. */
  failure?: { code: string; message: string };
  /** What costs something to find out: asked for only where the span is recorded, not in a process that exports nothing. */
  details?: () => SpanDetails;
}

export interface SpanDetails {
  attributes: Attributes;
  events: RecordedEvent[];
}

export interface RecordedEvent {
  name: string;
  unixNs: bigint;
  attributes: Attributes;
}

/** Records a span that is over already: data-plane work, from the timestamps the native loops took. */
export function recordSpan(name: string, span: RecordedSpan): void {
  const options = { startTime: hrTime(span.startUnixNs), attributes: span.attributes ?? {} };
  const recorded = tracer().startSpan(name, options, parentContext(span.parent));
  if (span.failure !== undefined) {
    recorded.setAttribute('error.type', span.failure.code);
    recorded.setStatus({ code: SpanStatusCode.ERROR, message: span.failure.message });
  }
  if (span.details !== undefined && recorded.isRecording()) addDetails(recorded, span.details());
  recorded.end(hrTime(span.startUnixNs + span.durationNs));
}

function addDetails(span: Span, { attributes, events }: SpanDetails): void {
  span.setAttributes(attributes);
  for (const event of events) span.addEvent(event.name, event.attributes, hrTime(event.unixNs));
}

/** W3C traceparent of the active span (or of `from`); '' when there is none. */
export function currentTraceparent(from: Context = context.active()): string {
  return formatTraceparent(trace.getSpanContext(from));
}

/** Context whose active span is the one that `traceparent` names; the active context when it is malformed. */
export function contextFromTraceparent(traceparent: string): Context {
  const span = parseTraceparent(traceparent);
  return span ? trace.setSpanContext(context.active(), span) : context.active();
}

/** Runs `body` in a new child span, which ends with it and carries its failure. */
export function withSpan<T>(name: string, attributes: Attributes, body: (span: Span) => Promise<T>): Promise<T> {
  return tracer().startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await body(span);
    } catch (error) {
      setFailure(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

function parentContext(parent: RecordedSpan['parent']): Context {
  if (parent === undefined) return context.active();
  return typeof parent === 'string' ? contextFromTraceparent(parent) : trace.setSpanContext(context.active(), parent);
}

/** Seconds and nanoseconds, as OpenTelemetry wants them. */
function hrTime(unixNs: bigint): HrTime {
  return [Number(unixNs / 1_000_000_000n), Number(unixNs % 1_000_000_000n)];
}

const tracer = () => trace.getTracer('@switchyard/kit');
