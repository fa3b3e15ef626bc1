// Histograms that something else has counted: OpenTelemetry has observable counters and gauges, but no observable histogram.
// Platform code registers them; meter-provider.ts reads them for each scrape, where metrics are served at all.
import type { Attributes } from '@opentelemetry/api';

/** One series: everything counted since the start. */
export interface CountedSeries {
  attributes: Attributes;
  /** [boundaries + 1]: element i counts values up to boundaries[i] and above the one before, the last all greater ones. */
  counts: number[];
  /** Of all values, in the histogram's unit. */
  sum: number;
}

export interface CountedHistogram {
  /** Carries its unit, as the names of all metrics do. */
  name: string;
  description: string;
  unit: string;
  /** Ascending. */
  boundaries: number[];
  /** Called once a scrape, in the turn of the event loop in which the callbacks of observable instruments are. */
  read(): CountedSeries[];
}

const histograms = new Set<CountedHistogram>();

/** Shows it among the metrics of this process from now on; answers how to take it away. */
export function registerHistogram(histogram: CountedHistogram): () => void {
  histograms.add(histogram);
  return () => void histograms.delete(histogram);
}

/** What is registered now. */
export function registeredHistograms(): CountedHistogram[] {
  return [...histograms];
}
