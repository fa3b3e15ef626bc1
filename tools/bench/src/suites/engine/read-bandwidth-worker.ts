// One reader of read-bandwidth.ts.
import { parentPort, workerData } from 'node:worker_threads';
import type { ScanResult, ScanStart } from './read-bandwidth.js';

const PASSES = 4;
const FILLING = 1;
const ABSENT = 2;

const { numBytes }: ScanStart = workerData;
const bytes = Buffer.alloc(numBytes, FILLING);
const now = () => performance.timeOrigin + performance.now();

parentPort?.once('message', () => {
  const startedMs = now();
  for (let pass = 0; pass < PASSES; pass++) {
    if (bytes.indexOf(ABSENT) !== -1) throw new Error('the buffer was changed');
  }
  const result: ScanResult = { startedMs, endedMs: now(), bytesRead: PASSES * numBytes };
  parentPort?.postMessage(result);
});
parentPort?.postMessage('ready');
