// The suite xccl without its programs: parsers on recorded output, what is measured how often, which rows there are.
import { expect, test } from 'vitest';
import { parseCoreList } from '../src/machine.js';
import { parseNativeLine } from '../src/native-bench.js';
import { MissingProgram } from '../src/run-program.js';
import { Collection } from '../src/suites/xccl/collect.js';
import { messagesOf } from '../src/suites/xccl/message-meter.js';
import { parseMpi, parseMpiVersion } from '../src/suites/xccl/mpi-meter.js';
import { figuresOf } from '../src/suites/xccl/native-meter.js';
import { ROWS, type RowSpec } from '../src/suites/xccl/rows.js';
import type { FigureRef, Meter, Source } from '../src/suites/xccl/source.js';
import { parseUcx, parseUcxVersion } from '../src/suites/xccl/ucx-meter.js';

test('ucx_perftest: the median counts, the mean is kept, whatever the order of the columns', () => {
  const recorded = `iterations,50.0_percentile_lat,avg_lat,overall_lat,avg_bw,overall_bw,avg_mr,overall_mr
20000,8.182,2563.695,436.514,13.71,80.54,390,2291
`;
  expect(parseUcx(recorded)).toEqual({ value: 8.182, others: { overall: 436.514 } });
  expect(parseUcx('overall_lat,50.0_percentile_lat\n3,2').value).toBe(2);
  expect(() => parseUcx('[1795576293.37] perftest.c:405  UCX  ERROR client failed')).toThrow('client failed');
  expect(() => parseUcx('iterations,50.0_percentile_lat,overall_lat\n')).toThrow('no figures');
});

test('versions', () => {
  expect(parseUcxVersion("# Version 1.13.1\n# Git branch '<unknown>', revision 0000000\n")).toBe('1.13.1');
  expect(parseUcxVersion('# Library version: 1.14.0\n')).toBe('1.14.0');
  expect(parseMpiVersion('mpirun (Open MPI) 4.1.4\n\nReport bugs to http://www.open-mpi.org/community/help/')).toBe(
    '4.1.4',
  );
});

test("the Open MPI program: the median of the repetitions, beside mpirun's own words", () => {
  const recorded = `WARNING: Linux kernel CMA support was requested
{"values": [6.081, 6.34325, 6.4328, 6.50559, 6.38273], "mean": 6.45763, "p50": 6.32019, "p99": 8.35348}
`;
  expect(parseMpi(recorded)).toEqual({ value: 6.38273, others: { mean: 6.45763, p50: 6.32019, p99: 8.35348 } });
  expect(() => parseMpi('wrong bytes arrived')).toThrow('wrong bytes arrived');
});

test('native_bench: the median of the repetitions, and every further figure', () => {
  const recorded =
    '{"case": "c", "unit": "us", "values": [3, 1, 2], "p50": 2, "p99": 9, "mean": 2.5, "samples": 15, "batch": 24, "messages": 5}';
  const others = { p50: 2, p99: 9, mean: 2.5, samples: 15, batch: 24, messages: 5, min: 1 };
  expect(figuresOf(parseNativeLine(recorded))).toEqual({ value: 2, others });
  expect(() => parseNativeLine('{"case": "c", "unit": "us", "values": []}')).toThrow('no values for c');
});

test('the list of allowed cores', () => {
  expect(parseCoreList('Name:\tnode\nCpus_allowed_list:\t0-2,8\n')).toEqual([0, 1, 2, 8]);
  expect(parseCoreList('Cpus_allowed_list:\t5\n')).toEqual([5]);
});

const ours: FigureRef = { source: { from: 'native', case: 'ours' }, figure: 'value' };
const ucx: FigureRef = { source: { from: 'ucx', test: 'tag_lat', numBytes: 8, numIterations: 1 }, figure: 'value' };
const row = (rest: Partial<RowSpec>): RowSpec => ({
  case: 'row',
  unit: 'us',
  better: 'lower',
  ours,
  bars: [],
  ...rest,
});

/** Gives 1, 2, 3, ... and writes down what was asked. */
function countingMeters(asked: string[], missing?: Source['from']): Meter<Source> {
  return {
    async measure(source) {
      asked.push(source.from);
      if (source.from === missing) throw new MissingProgram('ucx_perftest', 'ucx-utils');
      return { value: asked.length, others: { p99: 10 * asked.length, messages: 5 } };
    },
    nameOf: (source) => source.from,
    noteOf: (source) => (source.from === 'ucx' ? 'how it was run' : undefined),
  };
}

test('a run measures what several rows share once, and the peer beside ours', async () => {
  const asked: string[] = [];
  const collection = new Collection(countingMeters(asked));
  const rows = [row({ peer: ucx }), row({ case: 'other', peer: ucx, ours: { ...ours, figure: 'p99' } })];
  for (let run = 0; run < 2; run++) await collection.run(rows, () => {});
  expect(asked).toEqual(['ucx', 'native', 'ucx', 'native']);
  expect(rows.map((each) => collection.measurementOf(each).values)).toEqual([
    [2, 4],
    [20, 40],
  ]);
  expect(collection.measurementOf(rows[0] as RowSpec)).toMatchObject({
    peer: { name: 'ucx', value: 2 },
    extras: { messages: 5 },
    notes: ['how it was run'],
  });
});

test('without the peer ours is measured all the same, and a note names the package', async () => {
  const asked: string[] = [];
  const collection = new Collection(countingMeters(asked, 'ucx'));
  const rows = [row({ peer: ucx, bars: [{ against: 'peer', bound: 0.5 }] })];
  for (let run = 0; run < 2; run++) await collection.run(rows, () => {});
  expect(asked).toEqual(['ucx', 'native', 'native']);
  const measurement = collection.measurementOf(rows[0] as RowSpec);
  expect(measurement.values).toHaveLength(2);
  expect(measurement.peer).toBeUndefined();
  expect(measurement.notes).toEqual(['ucx_perftest is not installed (Debian: ucx-utils)']);
});

test("a bar against another case uses that case's figure", async () => {
  const quiet: FigureRef = { source: { from: 'native', case: 'quiet' }, figure: 'p99' };
  const noisy = row({ ours: { ...ours, figure: 'p99' }, bars: [{ against: quiet, bound: 5 }] });
  const collection = new Collection(countingMeters([]));
  await collection.run([noisy], () => {});
  expect(collection.measurementOf(noisy).bars).toEqual([{ against: { name: 'native', value: 20 }, bound: 5 }]);
});

test('every row has a name of its own, and every row of a bar its yardstick', () => {
  expect(new Set(ROWS.map((each) => each.case)).size).toBe(ROWS.length);
  for (const { bars, peer, limit } of ROWS) {
    for (const { against } of bars) {
      if (against === 'peer') expect(peer).toBeDefined();
      if (against === 'limit') expect(limit).toBeDefined();
    }
  }
});

/** Who sends to whom in one exchange, message by message, counted at both ends. */
function countedMessages(numAttention: number, numExperts: number, form: 'direct' | 'trampoline'): number[] {
  const counts = new Array<number>(numAttention + numExperts).fill(0);
  const thereAndBack = (a: number, b: number) => {
    for (const rank of [a, b]) counts[rank] = (counts[rank] ?? 0) + 2;
  };
  const experts = Array.from({ length: numExperts }, (_, idx) => numAttention + idx);
  for (let attention = 0; attention < numAttention; attention++) {
    const sender = form === 'direct' ? attention : numAttention + attention;
    if (sender !== attention) thereAndBack(attention, sender);
    for (const expert of experts) if (expert !== sender) thereAndBack(sender, expert);
  }
  return counts;
}

test('the model of messages is what counting each of them gives', () => {
  for (const form of ['direct', 'trampoline'] as const) {
    for (const [numAttention, numExperts] of [
      [1, 2],
      [3, 5],
      [7, 20],
    ] as const) {
      const counts = countedMessages(numAttention, numExperts, form);
      const { attention, first_expert, last_expert } = messagesOf({ numAttention, numExperts, form });
      expect([counts[0], counts[numAttention], counts.at(-1)]).toEqual([attention, first_expert, last_expert]);
    }
  }
  expect(() => messagesOf({ numAttention: 2, numExperts: 2, form: 'trampoline' })).toThrow('forwards nothing');
});
