import { expect, test } from 'vitest';
import { findSuite } from '../src/registry.js';
import { type Bar, type Better, rowOf } from '../src/row.js';
import { median, spread } from '../src/stats.js';
import { figuresOf } from '../src/suites/serve/load.js';
import { tableOf } from '../src/table.js';

test('the median of odd and even numbers of values, in any order', () => {
  expect(median([3])).toBe(3);
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(() => median([])).toThrow('no values');
});

test('the spread is the range over the median', () => {
  expect(spread([10, 12, 8])).toBeCloseTo(0.4);
  expect(spread([7])).toBe(0);
  expect(spread([0, 0])).toBe(0);
});

test('a row has exactly the fields of the format, with null for what there is not', () => {
  const row = rowOf({ case: 'full x1: ttft', unit: 'ms', better: 'lower', values: [4, 6, 5] });
  expect(JSON.parse(JSON.stringify(row))).toEqual({
    case: 'full x1: ttft',
    unit: 'ms',
    better: 'lower',
    ours: 5,
    peer: null,
    limit: null,
    ratioToPeer: null,
    ratioToLimit: null,
    runs: 3,
    spread: 0.4,
    bars: [],
    extras: {},
    notes: [],
  });
});

test('ratios are ours over theirs', () => {
  const row = rowOf({
    case: 'c',
    unit: 'GB/s',
    better: 'higher',
    values: [8],
    peer: { name: 'other', value: 4 },
    limit: { name: 'memory', value: 10 },
  });
  expect(row.ratioToPeer).toBe(2);
  expect(row.ratioToLimit).toBe(0.8);
});

test('a bar is an upper bound where lower is better, else a lower one, and open without its yardstick', () => {
  const base = { case: 'c', unit: 'us', values: [5], peer: { name: 'other', value: 10 } };
  const against = { name: 'third', value: 4 };
  const bars: Bar[] = [
    { against: 'peer', bound: 0.5 },
    { against: 'peer', bound: 0.4 },
    { against: 'limit', bound: 2 },
    { against, bound: 1 },
  ];
  const holds = (better: Better) => rowOf({ ...base, better, bars }).bars.map((bar) => bar.holds);
  expect(holds('lower')).toEqual([true, false, null, false]);
  expect(holds('higher')).toEqual([true, true, null, true]);
  expect(rowOf({ ...base, better: 'lower', bars }).bars[3]).toEqual({
    against: 'third',
    bound: 1,
    ratio: 1.25,
    holds: false,
  });
});

test('the table tells bars, extras and notes, and counts the bars', () => {
  const rows = [
    rowOf({
      case: 'quick',
      unit: 'us',
      better: 'lower',
      values: [1],
      peer: { name: 'other', value: 4 },
      bars: [
        { against: 'peer', bound: 0.5 },
        { against: 'peer', bound: 0.2 },
        { against: 'limit', bound: 2 },
      ],
      extras: { messages: 5 },
      notes: ['something is not installed'],
    }),
    rowOf({ case: 'other', unit: 'us', better: 'lower', values: [1], notes: ['something is not installed'] }),
  ];
  const table = tableOf({ suite: 's', commit: 'c', machine: 'm', rows });
  expect(table).toContain('<= 0.5 of peer: held (0.25); <= 0.2 of peer: MISSED (0.25); <= 2 of limit: not judged');
  expect(table).toContain('quick: messages 5.00');
  expect(table).toContain('\nquick, other: something is not installed\n');
  expect(table).toContain('bars: 1 held, 1 missed (quick), 1 without a yardstick');
});

test('figures of a load: medians over streams, tokens of all over the time of all', () => {
  const streams = [
    { ttftMs: 10, tpotMs: 2, numTokens: 64 },
    { ttftMs: 30, tpotMs: 4, numTokens: 64 },
    { ttftMs: 20, tpotMs: 3, numTokens: 32 },
  ];
  expect(figuresOf(streams, 500)).toEqual({ ttft: 20, tpot: 3, throughput: 320 });
});

test('the table shows every row and its yardsticks', () => {
  const rows = [
    rowOf({ case: 'idle', unit: 'cores', better: 'lower', values: [0.02], limit: { name: 'promise', value: 0.05 } }),
  ];
  const table = tableOf({ suite: 'serve', commit: 'abc', machine: 'a machine', rows });
  expect(table).toContain('suite serve, commit abc, a machine');
  expect(table).toContain('0.0200');
  expect(table).toContain('0.0500 (promise, ours is 0.40 of it)');
});

test('an unknown suite is refused with the names of those that there are', () => {
  expect(() => findSuite('speed')).toThrow('no suite "speed"; there are: drafts, engine, kernels, load, serve, xccl');
});
