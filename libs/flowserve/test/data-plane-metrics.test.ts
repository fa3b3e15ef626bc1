// What is shown of what XCCL counted: every sum under its name and unit, peers by their names, and nothing after the end.
import {
  type BatchObservableCallback,
  type BatchObservableResult,
  createNoopMeter,
  type Meter,
} from '@opentelemetry/api';
import type { PrimitiveStats } from '@switchyard/native';
import { expect, it } from 'vitest';
import { registerDataPlaneMetrics } from '../src/telemetry/data-plane-metrics.js';

/** A meter whose counters are read by hand. */
class ReadMeter {
  readonly callbacks = new Set<BatchObservableCallback>();

  asMeter(): Meter {
    return Object.assign(Object.create(createNoopMeter()), {
      createObservableCounter: (name: string) => ({ name, addCallback: () => {}, removeCallback: () => {} }),
      addBatchObservableCallback: (callback: BatchObservableCallback) => void this.callbacks.add(callback),
      removeBatchObservableCallback: (callback: BatchObservableCallback) => void this.callbacks.delete(callback),
    });
  }

  async read(): Promise<Record<string, number>> {
    const values: Record<string, number> = {};
    const observe: BatchObservableResult['observe'] = (counter, value, labels) => {
      const { name } = counter as unknown as { name: string };
      values[`${name}{${labels?.primitive},${labels?.peer}}`] = value;
    };
    for (const callback of this.callbacks) await callback({ observe });
    return values;
  }
}

const stats = (rest: Partial<PrimitiveStats>): PrimitiveStats => ({
  primitive: 'get',
  peer: 1,
  numCalls: 0n,
  numErrors: 0n,
  bytes: 0n,
  durationNs: 0n,
  waitNs: 0n,
  copyNs: 0n,
  durationBuckets: [],
  ...rest,
});

it('shows sums by primitive and peer, until it is ended', async () => {
  const counted = [
    stats({ numCalls: 3n, numErrors: 1n, bytes: 4_096n, durationNs: 2_000_000_000n, waitNs: 5n, copyNs: 500_000_000n }),
    stats({ primitive: 'e2a_wait', peer: null, numCalls: 7n }),
  ];
  const meter = new ReadMeter();
  const communicator = { telemetry: () => ({ stats: counted, lastCalls: [] }) };
  const end = registerDataPlaneMetrics(meter.asMeter(), communicator, (rank) => `prefill-${rank}`);
  expect(await meter.read()).toMatchObject({
    'switchyard_xccl_calls_total{get,prefill-1}': 3,
    'switchyard_xccl_errors_total{get,prefill-1}': 1,
    'switchyard_xccl_bytes_total{get,prefill-1}': 4_096,
    'switchyard_xccl_seconds_total{get,prefill-1}': 2,
    'switchyard_xccl_wait_seconds_total{get,prefill-1}': 5e-9,
    'switchyard_xccl_copy_seconds_total{get,prefill-1}': 0.5,
    'switchyard_xccl_calls_total{e2a_wait,several}': 7,
  });
  end();
  expect(await meter.read()).toEqual({});
});
