// Metrics of the DP groups of a TE, read from the masters when somebody collects. Wired by the prefill and decode apps.
import type { Meter } from '@opentelemetry/api';
import type { DpGroupMaster, MasterStats } from '../master/master.js';

const gauges: [name: string, description: string, read: (stats: MasterStats) => number][] = [
  ['switchyard_sequences_running', 'Sequences that run', ({ numRunning }) => numRunning],
  [
    'switchyard_sequences_queued',
    'Sequences that wait for blocks or a place in the batch',
    ({ numQueued }) => numQueued,
  ],
  ['switchyard_kv_handles', 'Prefilled sequences whose KV is held', ({ numHeld }) => numHeld],
  ['switchyard_places', 'Requests that hold a place in the queue', ({ numPlaces }) => numPlaces],
  ['switchyard_kv_blocks', 'Blocks of the KV pool', ({ numBlocks }) => numBlocks],
  ['switchyard_kv_blocks_free', 'Free blocks of the KV pool', ({ numFreeBlocks }) => numFreeBlocks],
];

const counters: typeof gauges = [
  ['switchyard_preemptions_total', 'Sequences preempted', ({ numPreemptions }) => numPreemptions],
  ['switchyard_tokens_total', 'Tokens sampled', ({ numTokens }) => numTokens],
  ['switchyard_group_faults_total', 'Steps that failed for want of a peer', ({ numFaults }) => numFaults],
];

export function registerMasterMetrics(meter: Meter, masters: () => readonly DpGroupMaster[]): void {
  for (const [name, description, read] of gauges) {
    meter.createObservableGauge(name, { description }).addCallback((result) => {
      for (const master of masters()) result.observe(read(master.stats()), { group: master.name });
    });
  }
  for (const [name, description, read] of counters) {
    meter.createObservableCounter(name, { description }).addCallback((result) => {
      for (const master of masters()) result.observe(read(master.stats()), { group: master.name });
    });
  }
}
