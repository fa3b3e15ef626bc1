// Starts OpenTelemetry for a process. Trace ids are always made and passed on; spans are recorded only when one of the
// standard variables names an OTLP endpoint, and the exporter's code is loaded only then. Metrics are read on demand.
import { metrics, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  type SpanProcessor,
  type TracerConfig,
} from '@opentelemetry/sdk-trace-node';
import { meterProvider } from './metrics.js';

export interface TelemetryOptions {
  /** Name of the app; OTEL_SERVICE_NAME wins. */
  service: string;
  /** Id of the member. */
  member: string;
  /** In place of the exporter that the environment asks for; for tests. */
  spanProcessors?: SpanProcessor[];
}

export interface Telemetry {
  /** Sends what is recorded, within the time given. */
  close(timeoutMs: number): Promise<void>;
}

export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  const resource = resourceFromAttributes({
    'service.name': process.env.OTEL_SERVICE_NAME ?? `switchyard-${options.service}`,
    'service.instance.id': options.member,
  });
  const spanProcessors = options.spanProcessors ?? (await exporting());
  // The SDK takes its sampler from OTEL_TRACES_SAMPLER where there is something to record for.
  const config: TracerConfig = spanProcessors.length
    ? { resource, spanProcessors }
    : { resource, sampler: new AlwaysOffSampler() };
  const provider = new NodeTracerProvider(config);
  provider.register({ propagator: new W3CTraceContextPropagator() });
  metrics.setGlobalMeterProvider(meterProvider(resource));
  return {
    async close(timeoutMs) {
      const timer = new Promise<void>((resolve) => setTimeout(resolve, timeoutMs).unref());
      // A collector that is gone must not keep a service from ending.
      await Promise.race([provider.shutdown().catch(() => {}), timer]);
      trace.disable();
      propagation.disable();
      metrics.disable();
    },
  };
}

/** A processor with the OTLP exporter (http/protobuf) when an endpoint is configured. */
async function exporting(): Promise<SpanProcessor[]> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED } = process.env;
  if (OTEL_SDK_DISABLED === 'true') return [];
  if (!OTEL_EXPORTER_OTLP_ENDPOINT && !OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) return [];
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return [new BatchSpanProcessor(new OTLPTraceExporter())];
}
