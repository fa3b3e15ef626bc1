// Metrics of an expert rank's loop, read when somebody collects.
import type { Meter } from '@opentelemetry/api';
import type { NativeExpertServer } from '@switchyard/native';

type Stats = ReturnType<NativeExpertServer['stats']>;

const counters: [name: string, description: string, read: (stats: Stats) => number][] = [
  ['switchyard_expert_messages_total', 'A2E messages answered', ({ numMessages }) => Number(numMessages)],
  ['switchyard_expert_pairs_total', 'Pairs of token and expert computed', ({ numPairs }) => Number(numPairs)],
  ['switchyard_expert_compute_seconds_total', 'Time spent computing', ({ computeNs }) => Number(computeNs) / 1e9],
];

export function registerExpertMetrics(meter: Meter, server: () => NativeExpertServer | null): void {
  for (const [name, description, read] of counters) {
    meter.createObservableCounter(name, { description }).addCallback((result) => {
      const stats = server()?.stats();
      if (stats !== undefined) result.observe(read(stats));
    });
  }
}
