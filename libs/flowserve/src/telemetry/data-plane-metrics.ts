// Metrics of the data plane: what XCCL counted in this rank, by primitive and peer. Read when somebody scrapes, so they cost the data
// plane nothing. Names carry their unit, times are in seconds, labels are bounded by the cluster's size.
import type { BatchObservableResult, Meter } from '@opentelemetry/api';
import type { NativeCommunicator, PrimitiveStats } from '@switchyard/native';

interface Sum {
  name: string;
  unit?: string;
  description: string;
  read(stats: PrimitiveStats): bigint;
  /** Of what is read to what is shown. */
  scale: number;
}

const toSeconds = 1e-9;

const sums: readonly Sum[] = [
  { name: 'calls_total', description: 'Calls', read: ({ numCalls }) => numCalls, scale: 1 },
  { name: 'errors_total', description: 'Calls that failed', read: ({ numErrors }) => numErrors, scale: 1 },
  { name: 'bytes_total', unit: 'By', description: 'Payload moved', read: ({ bytes }) => bytes, scale: 1 },
  { name: 'seconds_total', unit: 's', description: 'Time in calls', read: (s) => s.durationNs, scale: toSeconds },
  { name: 'wait_seconds_total', unit: 's', description: 'Waiting in calls', read: (s) => s.waitNs, scale: toSeconds },
  { name: 'copy_seconds_total', unit: 's', description: 'Copying in calls', read: (s) => s.copyNs, scale: toSeconds },
];

/** What calls with several peers have as their peer. */
const severalPeers = 'several';

/**
 * Registers `switchyard_xccl_*`; answers how to unregister them.
 * @param peerName label of a peer rank
 */
export function registerDataPlaneMetrics(
  meter: Meter,
  communicator: Pick<NativeCommunicator, 'telemetry'>,
  peerName: (rank: number) => string,
): () => void {
  const counters = sums.map(({ name, unit, description, read, scale }) => {
    const counter = meter.createObservableCounter(`switchyard_xccl_${name}`, {
      description: `${description} of the data plane, by primitive and peer`,
      ...(unit !== undefined && { unit }),
    });
    return { counter, read, scale };
  });
  const observe = (result: BatchObservableResult) => {
    for (const stats of communicator.telemetry().stats) {
      const peer = stats.peer === null ? severalPeers : peerName(stats.peer);
      const labels = { primitive: stats.primitive, peer };
      for (const { counter, read, scale } of counters) result.observe(counter, Number(read(stats)) * scale, labels);
    }
  };
  const observables = counters.map(({ counter }) => counter);
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}
