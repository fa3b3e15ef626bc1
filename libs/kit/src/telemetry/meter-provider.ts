// The OpenTelemetry metrics SDK with a reader that collects only when asked; loaded only where metrics are served.
import { metrics } from '@opentelemetry/api';
import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, type MetricData, MetricReader, type ResourceMetrics } from '@opentelemetry/sdk-metrics';
import { HistogramProducer } from './histogram-producer.js';

class OnDemandReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/**
 * Sets the global meter provider; the result reads it in Prometheus text format.
 *
 * @param meterName name of the service's own meter
 */
export function startMetrics(attributes: Record<string, string>, meterName: string): () => Promise<string> {
  const reader = new OnDemandReader({ metricProducers: [new HistogramProducer(meterName)] });
  metrics.setGlobalMeterProvider(
    new MeterProvider({ resource: resourceFromAttributes(attributes), readers: [reader] }),
  );
  const serializer = new PrometheusSerializer();
  return async () => serializer.serialize(withUnits((await reader.collect()).resourceMetrics));
}

/** Prometheus wants the unit in the name, OpenTelemetry beside it; the serializer leaves that to us. */
function withUnits(collected: ResourceMetrics): ResourceMetrics {
  const scopeMetrics = collected.scopeMetrics.map((scope) => ({ ...scope, metrics: scope.metrics.map(withUnit) }));
  return { ...collected, scopeMetrics };
}

function withUnit(metric: MetricData): MetricData {
  const { name, unit } = metric.descriptor;
  if (unit !== 's' || name.includes('_seconds')) return metric;
  return { ...metric, descriptor: { ...metric.descriptor, name: `${name}_seconds` } };
}
