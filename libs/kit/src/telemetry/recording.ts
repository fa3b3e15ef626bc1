// The OpenTelemetry SDK: loaded only by a process that exports spans.
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, type SpanProcessor } from '@opentelemetry/sdk-trace-base';

/** A provider with the processors given, or with the OTLP exporter that the standard variables configure. */
export async function recordingProvider(
  attributes: Record<string, string>,
  processors?: SpanProcessor[],
): Promise<BasicTracerProvider> {
  const spanProcessors = processors ?? [await otlpProcessor()];
  // The sampler comes from OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG; the SDK reads them.
  return new BasicTracerProvider({ resource: resourceFromAttributes(attributes), spanProcessors });
}

async function otlpProcessor(): Promise<SpanProcessor> {
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new BatchSpanProcessor(new OTLPTraceExporter());
}
