// What is shown of what XCCL counted, on the page that Prometheus reads: every sum under its name and unit, the histogram of
// durations, peers by their names, one reading a scrape, and none after the end.
import { metrics } from '@opentelemetry/api';
import { renderMetrics, startTelemetry, type Telemetry } from '@switchyard/kit';
import type { PrimitiveStats } from '@switchyard/native';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { registerDataPlaneMetrics } from '../src/telemetry/data-plane-metrics.js';
import { durationBoundaries, mergeBuckets } from '../src/telemetry/duration-buckets.js';

const numBuckets = 36;
let telemetry: Telemetry;
beforeAll(async () => {
  telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: true });
});
afterAll(() => telemetry.close(1_000));

/** The series of a scrape: "name{primitive,peer}" with ",le" for buckets. */
async function scrape(): Promise<Map<string, number>> {
  const series = new Map<string, number>();
  for (const line of (await renderMetrics()).split('\n')) {
    const [, name, labels = '', value] = /^(switchyard_xccl_\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    expect(labels).toContain('otel_scope_name="@switchyard/test"');
    const label = (key: string) => new RegExp(`\\b${key}="([^"]*)"`).exec(labels)?.[1];
    const key = [label('primitive'), label('peer'), label('le')].filter((text) => text !== undefined).join();
    series.set(`${name}{${key}}`, Number(value));
  }
  return series;
}

/** 36 buckets with these counts. */
const buckets = (counts: Record<number, bigint>) => Array.from({ length: numBuckets }, (_, i) => counts[i] ?? 0n);

const stats = (rest: Partial<PrimitiveStats>): PrimitiveStats => ({
  primitive: 'get',
  peer: 1,
  numCalls: 0n,
  numErrors: 0n,
  bytes: 0n,
  durationNs: 0n,
  waitNs: 0n,
  copyNs: 0n,
  durationBuckets: buckets({}),
  ...rest,
});

it('shows sums and durations by primitive and peer, until it is ended', async () => {
  const counted = [
    // Two calls of 1 to 2 us, one of 1.07 to 2.1 s.
    stats({
      ...{ numCalls: 3n, numErrors: 1n, bytes: 4_096n, durationNs: 2_000_000_000n, waitNs: 5n, copyNs: 500_000_000n },
      durationBuckets: buckets({ 10: 2n, 30: 1n }),
    }),
    stats({ primitive: 'e2a_wait', peer: null, numCalls: 7n, durationBuckets: buckets({ 35: 7n }) }),
    stats({ primitive: 'e2a_wait', peer: 2, bytes: 64n }),
  ];
  const read = vi.fn(() => counted);
  const end = registerDataPlaneMetrics(
    metrics.getMeter('@switchyard/test'),
    { telemetry: read, numCoreMoves: () => 5n },
    (rank) => `p-${rank}`,
  );
  const series = await scrape();
  expect(read).toHaveBeenCalledTimes(1);
  expect(Object.fromEntries(series)).toMatchObject({
    'switchyard_xccl_calls_total{get,p-1}': 3,
    'switchyard_xccl_errors_total{get,p-1}': 1,
    'switchyard_xccl_core_moves_total{}': 5,
    'switchyard_xccl_bytes_total{get,p-1}': 4_096,
    'switchyard_xccl_seconds_total{get,p-1}': 2,
    'switchyard_xccl_wait_seconds_total{get,p-1}': 5e-9,
    'switchyard_xccl_copy_seconds_total{get,p-1}': 0.5,
    'switchyard_xccl_calls_total{e2a_wait,several}': 7,
    'switchyard_xccl_bytes_total{e2a_wait,p-2}': 64,
    'switchyard_xccl_call_duration_seconds_count{get,p-1}': 3,
    'switchyard_xccl_call_duration_seconds_sum{get,p-1}': 2,
    'switchyard_xccl_call_duration_seconds_bucket{get,p-1,0.000001024}': 0,
    'switchyard_xccl_call_duration_seconds_bucket{get,p-1,0.000004096}': 2,
    'switchyard_xccl_call_duration_seconds_bucket{get,p-1,1.073741824}': 2,
    'switchyard_xccl_call_duration_seconds_bucket{get,p-1,4.294967296}': 3,
    'switchyard_xccl_call_duration_seconds_bucket{get,p-1,+Inf}': 3,
    'switchyard_xccl_call_duration_seconds_bucket{e2a_wait,several,17.179869184}': 0,
    'switchyard_xccl_call_duration_seconds_bucket{e2a_wait,several,+Inf}': 7,
  });
  expect(series.has('switchyard_xccl_call_duration_seconds_count{e2a_wait,p-2}')).toBe(false);
  await new Promise(setImmediate);
  await scrape();
  expect(read).toHaveBeenCalledTimes(2);
  end();
  // The SDK goes on showing the last values of its own counters.
  expect([...(await scrape()).keys()].filter((key) => key.includes('duration'))).toEqual([]);
  expect(read).toHaveBeenCalledTimes(2);
});

it('puts each bucket of XCCL below the boundary that its calls do not exceed', () => {
  for (let i = 0; i < numBuckets; i++) {
    const merged = mergeBuckets(buckets({ [i]: 5n }));
    expect(merged).toHaveLength(durationBoundaries.length + 1);
    const idx = merged.indexOf(5);
    expect(merged.filter((count) => count !== 0)).toEqual([5]);
    const [below = 0, above = Number.POSITIVE_INFINITY] = [durationBoundaries[idx - 1], durationBoundaries[idx]];
    expect(2 ** (i + 1) / 1e9).toBeLessThanOrEqual(above);
    expect(2 ** i / 1e9).toBeGreaterThanOrEqual(below);
  }
});
