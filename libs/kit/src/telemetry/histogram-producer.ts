// Brings the registered histograms into the same page as the SDK's own metrics, by the SDK's door for that: a metric producer
// of the reader. Loaded only where metrics are served.
import { type HrTime, ValueType } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  DataPointType,
  type HistogramMetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import { type CountedHistogram, type CountedSeries, registeredHistograms } from './histograms.js';

export class HistogramProducer implements MetricProducer {
  readonly #scope: string;
  readonly #startTime = now();

  /** @param scope name of the meter that the rest of the service's metrics are from */
  constructor(scope: string) {
    this.#scope = scope;
  }

  /** A histogram that cannot be read is left out and reported with the errors. */
  async collect(): Promise<CollectionResult> {
    const metrics: HistogramMetricData[] = [];
    const errors: unknown[] = [];
    for (const histogram of registeredHistograms()) {
      try {
        metrics.push(this.#toMetric(histogram));
      } catch (error) {
        errors.push(error);
      }
    }
    const scopeMetrics = metrics.length > 0 ? [{ scope: { name: this.#scope }, metrics }] : [];
    // The reader keeps the SDK's resource.
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors };
  }

  #toMetric({ name, description, unit, boundaries, read }: CountedHistogram): HistogramMetricData {
    const times = { startTime: this.#startTime, endTime: now() };
    return {
      descriptor: { name, description, unit, valueType: ValueType.DOUBLE },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
      dataPointType: DataPointType.HISTOGRAM,
      dataPoints: read().map(({ attributes, counts, sum }: CountedSeries) => ({
        ...times,
        attributes,
        value: { buckets: { boundaries, counts }, count: counts.reduce((total, count) => total + count, 0), sum },
      })),
    };
  }
}

function now(): HrTime {
  const ms = Date.now();
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}
