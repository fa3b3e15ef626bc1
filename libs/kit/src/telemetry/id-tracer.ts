// The tracer of a process that exports nothing: spans have ids and a parent, so that logs, headers and other services
// share one trace id, and record nothing else. The SDK, which costs some 90 ms to load, is not needed for that.
import { randomBytes } from 'node:crypto';
import {
  type Context,
  context,
  isSpanContextValid,
  type Span,
  type SpanOptions,
  TraceFlags,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api';

class IdTracer implements Tracer {
  startSpan(_name: string, options: SpanOptions = {}, from: Context = context.active()): Span {
    const found = options.root ? undefined : trace.getSpanContext(from);
    const parent = found && isSpanContextValid(found) ? found : undefined;
    return trace.wrapSpanContext({
      traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
      spanId: randomBytes(8).toString('hex'),
      // Whoever records further down decides by the flag of whoever began.
      traceFlags: parent?.traceFlags ?? TraceFlags.NONE,
      ...(parent?.traceState && { traceState: parent.traceState }),
    });
  }

  startActiveSpan<F extends (span: Span) => unknown>(
    name: string,
    ...rest: [F] | [SpanOptions, F] | [SpanOptions, Context, F]
  ): ReturnType<F> {
    const body = rest[rest.length - 1] as F;
    const options = rest.length > 1 ? (rest[0] as SpanOptions) : {};
    const from = rest.length > 2 ? (rest[1] as Context) : context.active();
    const span = this.startSpan(name, options, from);
    return context.with(trace.setSpan(from, span), () => body(span)) as ReturnType<F>;
  }
}

export const idTracerProvider: TracerProvider = { getTracer: () => new IdTracer() };
