// The metrics of this process: OpenTelemetry instruments, read in Prometheus text format when somebody asks.
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';

/** Collects only when asked, so that metrics cost nothing while nobody looks. */
class OnDemandReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

let reader: OnDemandReader | undefined;

/** The meter provider of this process; renderMetrics reads it from now on. */
export function meterProvider(resource: Resource): MeterProvider {
  reader = new OnDemandReader();
  return new MeterProvider({ resource, readers: [reader] });
}

/** All metrics of this process in Prometheus text format; '' before telemetry has started. */
export async function renderMetrics(): Promise<string> {
  if (!reader) return '';
  const { resourceMetrics } = await reader.collect();
  return new PrometheusSerializer().serialize(resourceMetrics);
}
