// Metrics of the data plane: what XCCL counted in this rank, by primitive and peer. Read when somebody scrapes, so they cost the data
// plane nothing. Names carry their unit, times are in seconds, labels are bounded by the cluster's size.
import type { Attributes, BatchObservableResult, Meter, ObservableResult } from '@opentelemetry/api';
import { type CountedSeries, registerHistogram } from '@switchyard/kit';
import type { NativeCommunicator, PrimitiveStats } from '@switchyard/native';
import { durationBoundaries, mergeBuckets } from './duration-buckets.js';

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

type Telemetry = Pick<NativeCommunicator, 'telemetry' | 'numCoreMoves'>;

/**
 * Registers `switchyard_xccl_*`; answers how to unregister them.
 * @param peerName label of a peer rank
 */
export function registerDataPlaneMetrics(
  meter: Meter,
  communicator: Telemetry,
  peerName: (rank: number) => string,
): () => void {
  const labelsOf = ({ primitive, peer }: PrimitiveStats) => ({
    primitive,
    peer: peer === null ? severalPeers : peerName(peer),
  });
  const read = oncePerTurn(() => communicator.telemetry());
  const endSums = registerSums(meter, read, labelsOf);
  const endHistogram = registerHistogram({
    name: 'switchyard_xccl_call_duration_seconds',
    description: 'Durations of calls of the data plane, by primitive and peer',
    unit: 's',
    boundaries: durationBoundaries,
    read: () =>
      read()
        .filter(hasCalls)
        .map((stats) => toSeries(stats, labelsOf(stats))),
  });
  const endMoves = registerCoreMoves(meter, communicator);
  return () => {
    endSums();
    endHistogram();
    endMoves();
  };
}

type ReadStats = () => PrimitiveStats[];
type LabelsOf = (stats: PrimitiveStats) => Attributes;

function registerSums(meter: Meter, readStats: ReadStats, labelsOf: LabelsOf): () => void {
  const counters = sums.map(({ name, unit, description, read, scale }) => {
    const counter = meter.createObservableCounter(`switchyard_xccl_${name}`, {
      description: `${description} of the data plane, by primitive and peer`,
      ...(unit !== undefined && { unit }),
    });
    return { counter, read, scale };
  });
  const observe = (result: BatchObservableResult) => {
    for (const stats of readStats()) {
      const labels = labelsOf(stats);
      for (const { counter, read, scale } of counters) result.observe(counter, Number(read(stats)) * scale, labels);
    }
  };
  const observables = counters.map(({ counter }) => counter);
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}

/** Of the rank as a whole: no call, and no peer, moves a worker. */
function registerCoreMoves(meter: Meter, communicator: Telemetry): () => void {
  const counter = meter.createObservableCounter('switchyard_xccl_core_moves_total', {
    description: "Moves of bound workers to another core, or home, since others' work held their own",
  });
  const observe = (result: ObservableResult) => result.observe(Number(communicator.numCoreMoves()));
  counter.addCallback(observe);
  return () => counter.removeCallback(observe);
}

/** One reading for all who ask in the same turn of the event loop: sums and histogram of a scrape agree, and are read once. */
function oncePerTurn(read: ReadStats): ReadStats {
  let stats: PrimitiveStats[] | null = null;
  return () => {
    if (stats === null) {
      stats = read();
      setImmediate(() => {
        stats = null;
      });
    }
    return stats;
  };
}

/** Of a call with several peers each peer has its bytes alone. */
const hasCalls = ({ numCalls }: PrimitiveStats) => numCalls > 0n;

function toSeries({ durationBuckets, durationNs }: PrimitiveStats, attributes: Attributes): CountedSeries {
  return { attributes, counts: mergeBuckets(durationBuckets), sum: Number(durationNs) * toSeconds };
}
