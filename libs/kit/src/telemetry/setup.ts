// Starts telemetry for a process. Trace ids are always made and passed on; spans are recorded only when one of the
// standard variables names an OTLP endpoint, metrics only when somebody can read them, and the SDK is loaded only then.
import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base';
import { idTracerProvider } from './id-tracer.js';
import { setMetricsRenderer } from './metrics.js';
import { traceparentPropagator } from './traceparent.js';

export interface TelemetryOptions {
  /** Name of the app; OTEL_SERVICE_NAME wins. */
  service: string;
  /** Id of the member. */
  member: string;
  /** Whether somebody calls renderMetrics(). */
  metrics: boolean;
  /** In place of the exporter that the environment asks for; for tests. */
  spanProcessors?: SpanProcessor[];
}

export interface Telemetry {
  /** Sends what is recorded, within the time given. */
  close(timeoutMs: number): Promise<void>;
}

/** Name of the tracer and the meter of an app. */
export const instrumentationName = (service: string) => `@switchyard/${service}`;

export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const attributes = {
    'service.name': process.env.OTEL_SERVICE_NAME ?? `switchyard-${options.service}`,
    'service.instance.id': options.member,
  };
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(traceparentPropagator);
  const flush = await startTracing(attributes, options.spanProcessors);
  if (options.metrics) {
    const { startMetrics } = await import('./meter-provider.js');
    setMetricsRenderer(startMetrics(attributes, instrumentationName(options.service)));
  }
  return {
    async close(timeoutMs) {
      const expired = new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref());
      // A collector that is gone must not keep a service from ending.
      await Promise.race([flush().catch(() => {}), expired]);
      for (const api of [trace, propagation, metrics, context]) api.disable();
    },
  };
}

/** Returns what flushes and ends the tracing. */
async function startTracing(
  attributes: Record<string, string>,
  processors?: SpanProcessor[],
): Promise<() => Promise<void>> {
  if (!processors && !isExportConfigured()) {
    trace.setGlobalTracerProvider(idTracerProvider);
    return async () => {};
  }
  const { recordingProvider } = await import('./recording.js');
  const provider = await recordingProvider(attributes, processors);
  trace.setGlobalTracerProvider(provider);
  return () => provider.shutdown();
}

function isExportConfigured(): boolean {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED } = process.env;
  return OTEL_SDK_DISABLED !== 'true' && Boolean(OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
}
