// What the machine's memory gives to all cores that read at once: each scans its part of a buffer that no cache holds for a byte that
// is not there, which libc does in vectors.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';

const WORKER = new URL('./read-bandwidth-worker.js', import.meta.url);
const TOTAL_BYTES = 1 << 30;

export interface ScanStart {
  numBytes: number;
}

/** When a worker's passes began and ended, ms since the epoch. */
export interface ScanResult {
  startedMs: number;
  endedMs: number;
  bytesRead: number;
}

/** Bytes per second. */
export async function measureReadBandwidth(): Promise<number> {
  const numWorkers = availableParallelism();
  const workerData: ScanStart = { numBytes: Math.floor(TOTAL_BYTES / numWorkers) };
  const workers = Array.from({ length: numWorkers }, () => new Worker(WORKER, { workerData }));
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message'))); // their memory is written
    const results = workers.map(async (worker): Promise<ScanResult> => (await once(worker, 'message'))[0]);
    for (const worker of workers) worker.postMessage('scan');
    return bandwidthOf(await Promise.all(results));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** From the first start to the last end. */
export function bandwidthOf(results: readonly ScanResult[]): number {
  const started = Math.min(...results.map(({ startedMs }) => startedMs));
  const ended = Math.max(...results.map(({ endedMs }) => endedMs));
  const numBytes = results.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  return (numBytes * 1000) / (ended - started);
}
