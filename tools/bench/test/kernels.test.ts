// The suite kernels without native_bench: rooflines by hand, and the rows that recorded lines give.
import { expect, test } from 'vitest';
import { parseNativeLine } from '../src/native-bench.js';
import { rowOf } from '../src/row.js';
import { measurementsOf } from '../src/suites/kernels/kernels.js';
import { limitsOf, rooflineOf } from '../src/suites/kernels/roofline.js';

const line = (name: string, unit: string, values: number[], figures: Record<string, number> = {}) =>
  parseNativeLine(JSON.stringify({ case: name, unit, values, ...figures }));

const LIMIT_LINES = [
  line('limits/peak-fp32-avx2', 'GFLOP/s', [90, 100, 95]),
  line('limits/peak-fp32-avx512', 'GFLOP/s', [200]),
  line('limits/peak-int8-avx2', 'GOP/s', [150]),
  line('limits/read-1048576', 'GB/s', [50]),
  line('limits/read-1024', 'GB/s', [400]),
];
const limits = limitsOf(LIMIT_LINES);

test('a limit is the best that was seen, in whatever run', () => {
  const again = limitsOf([...LIMIT_LINES, line('limits/peak-fp32-avx2', 'GFLOP/s', [99, 104])]);
  expect(again.peaks.get('fp32-avx2')).toBe(104);
  expect(limits.peaks.get('fp32-avx2')).toBe(100);
  expect(limits.reads.map(({ numBytes }) => numBytes)).toEqual([1_024, 1_048_576]);
  expect(() => limitsOf([line('kernels/rope/avx2', 'GB/s', [1])])).toThrow('"kernels/rope/avx2" is no limit');
});

test('the roof is the lower one of computing and reading, in the unit of the row', () => {
  const work = { operations: 1_000, bytes: 1_000, span: 1_000 };
  // 10 ns of computing against 2.5 ns of reading.
  expect(rooflineOf(work, 'GFLOP/s', 'avx2', limits)).toEqual({ name: 'roofline: peak fp32-avx2', value: 100 });
  // The same bytes from further away take 20 ns.
  const far = { ...work, span: 2_000_000 };
  expect(rooflineOf(far, 'GFLOP/s', 'avx2', limits)).toEqual({ name: 'roofline: reading 1024 KiB', value: 50 });
  expect(rooflineOf({ ...far, operations: 4_000 }, 'GB/s', 'avx2', limits).value).toBe(25);
  expect(rooflineOf(work, 'GOP/s', 'avx2', limits).value).toBe(150);
});

test('a span between two sizes is read as fast as the smaller one, one below all as the smallest', () => {
  const at = (span: number) => rooflineOf({ operations: 0, bytes: 8, span }, 'GB/s', 'avx2', limits).value;
  expect([at(16), at(1_024), at(1_048_575), at(1_048_576)]).toEqual([400, 400, 400, 50]);
});

test('a kernel of a set without a peak is held against nothing', () => {
  const work = { operations: 1_000, bytes: 0, span: 0 };
  expect(() => rooflineOf(work, 'GOP/s', 'avx512vnni', limits)).toThrow('no peak of int8 operations for avx512vnni');
});

test('rows: the limits, then each kernel with its roofline, the median of the runs and its time', () => {
  const kernel = (values: number[], p50: number) =>
    line('kernels/combine-8t-hot/avx2', 'GB/s', values, { p50, operations: 10, bytes: 1_000, span: 1_048_576 });
  const runs = [
    [...LIMIT_LINES, kernel([20, 30, 10], 5)],
    [...LIMIT_LINES, kernel([40], 7)],
  ];
  const rows = measurementsOf(runs).map(rowOf);
  expect(rows).toHaveLength(LIMIT_LINES.length + 1);
  expect(rows[0]).toMatchObject({ case: 'limits/peak-fp32-avx2', limit: null, runs: 2, unit: 'GFLOP/s' });
  expect(rows.at(-1)).toMatchObject({
    case: 'combine-8t-hot/avx2',
    ours: 30,
    limit: { name: 'roofline: reading 1024 KiB', value: 50 },
    ratioToLimit: 0.6,
    extras: { us: 6 },
    runs: 2,
  });
});
