// The rows of the suite, as data: what is measured, whom it is compared with, and the bars of the issue "XCCL".
import type { Better } from '../../row.js';
import {
  type FigureRef,
  type ModelSource,
  type MpiSource,
  type NativeSource,
  type UcxSource,
  VALUE,
} from './source.js';

export interface BarSpec {
  against: 'peer' | 'limit' | FigureRef;
  bound: number;
}

export interface RowSpec {
  case: string;
  unit: string;
  better: Better;
  ours: FigureRef;
  peer?: FigureRef;
  limit?: FigureRef;
  bars: BarSpec[];
}

const native = (name: string, figure = VALUE): FigureRef => ({
  source: { from: 'native', case: name } satisfies NativeSource,
  figure,
});

const ucx = (test: UcxSource['test'], numBytes: number, numIterations: number): FigureRef => ({
  source: { from: 'ucx', test, numBytes, numIterations } satisfies UcxSource,
  figure: VALUE,
});

const mpi = (numRanks: number, ...work: string[]): FigureRef => ({
  source: { from: 'mpi', numRanks, work } satisfies MpiSource,
  figure: VALUE,
});

const KIB = 1_024;
const CACHE_LINE = native('limit-cacheline');
const oneCopy = (size: string) => native(`limit-memcpy-${size}`);
const tag36KiB = ucx('tag_lat', 36 * KIB, 30_000);
const tag1152KiB = ucx('tag_lat', 1_152 * KIB, 3_000);
const tag9MiB = ucx('tag_lat', 9_216 * KIB, 200);

const latency = (name: string, rest: Pick<RowSpec, 'peer' | 'limit' | 'bars'>): RowSpec => ({
  case: name,
  unit: 'us',
  better: 'lower',
  ours: native(name),
  ...rest,
});

const atMost = (bound: number, against: BarSpec['against'] = 'peer'): BarSpec => ({ against, bound });

const pointToPoint: RowSpec[] = [
  latency('p2p-8B', {
    peer: ucx('tag_lat', 8, 1_000_000),
    limit: CACHE_LINE,
    bars: [atMost(0.5), atMost(2, 'limit')],
  }),
  latency('put-8B', { peer: ucx('ucp_put_lat', 8, 2_000_000), limit: CACHE_LINE, bars: [atMost(1.1)] }),
  latency('p2p-36KiB', { peer: tag36KiB, limit: oneCopy('36KiB'), bars: [atMost(0.5)] }),
  latency('p2p-1152KiB', { peer: tag1152KiB, limit: oneCopy('1152KiB'), bars: [atMost(0.9)] }),
  latency('p2p-zerocopy-1152KiB', { peer: tag1152KiB, limit: oneCopy('1152KiB'), bars: [atMost(1.1, 'limit')] }),
  latency('p2p-9MiB', { peer: tag9MiB, limit: oneCopy('9MiB'), bars: [atMost(0.6)] }),
  latency('p2p-zerocopy-9MiB', { peer: tag9MiB, limit: oneCopy('9MiB'), bars: [atMost(1.1, 'limit')] }),
  latency('get-1152KiB', { limit: oneCopy('1152KiB'), bars: [] }),
  // What copying in and out of a shared buffer takes without any protocol, beside the peer, which reads the sender's memory.
  latency('limit-handover-36KiB', { peer: tag36KiB, limit: oneCopy('36KiB'), bars: [] }),
  latency('limit-handover-1152KiB', { peer: tag1152KiB, limit: oneCopy('1152KiB'), bars: [] }),
  latency('limit-handover-9MiB', { peer: tag9MiB, limit: oneCopy('9MiB'), bars: [] }),
];

/** What counting costs: while it is off, the question that a message asks; while it is on, the whole message. */
const telemetry: RowSpec[] = [
  latency('telemetry-off-8B', { bars: [atMost(0.01, native('p2p-8B'))] }),
  latency('telemetry-on-8B', { peer: native('p2p-8B'), bars: [] }),
];

/** CPU time of a rank that waits, beside that of a core that is busy. */
const idle: RowSpec = {
  case: 'idle-4r',
  unit: 'us/s',
  better: 'lower',
  ours: native('idle-4r'),
  limit: { source: { from: 'given', name: 'a whole core', value: 1e6 }, figure: VALUE },
  bars: [atMost(0.005, 'limit')],
};

const PAIR_SIZES: readonly (readonly [name: string, numBytes: number])[] = [
  ['8B', 8],
  ['7KiB', 7 * KIB],
  ['28KiB', 28 * KIB],
  ['112KiB', 112 * KIB],
  ['448KiB', 448 * KIB],
];

/** Until every rank has run once: more ranks than cores cannot exchange anything in less. */
const allRanksRun = (numRanks: number) => native(`limit-switch-${numRanks}r`);

/** Larger parts: until two cores have copied what all ranks copy. */
const COPIED_MIN = 28 * KIB;

const allToAll: RowSpec[] = [4, 8].flatMap((numRanks) =>
  PAIR_SIZES.map(([size, numBytes]) =>
    latency(`a2a-${numRanks}r-${size}`, {
      peer: mpi(numRanks, 'pairs', `${numBytes}`),
      limit: numBytes < COPIED_MIN ? allRanksRun(numRanks) : native(`limit-copies-${numRanks}r-${size}`),
      bars: [atMost(0.5)],
    }),
  ),
);

/** Bars are the for all-to-all only; these rows show their ratios. */
const collective = (name: string, numRanks: number, work: string, numBytes: number): RowSpec =>
  latency(name, { peer: mpi(numRanks, work, `${numBytes}`), limit: allRanksRun(numRanks), bars: [] });

const collectives: RowSpec[] = [
  collective('barrier-4r', 4, 'barrier', 0),
  collective('barrier-8r', 8, 'barrier', 0),
  collective('broadcast-8r-9MiB', 8, 'broadcast', 9_216 * KIB),
  collective('broadcast-8r-9MiB-copied', 8, 'broadcast', 9_216 * KIB),
  collective('allreduce-4r-8KiB', 4, 'allreduce', 8 * KIB),
  collective('allreduce-4r-1MiB', 4, 'allreduce', 1_024 * KIB),
  collective('allreduce-4r-1MiB-copied', 4, 'allreduce', 1_024 * KIB),
];

const dispatchRow = (batch: number, type: 'bf16' | 'int8', bars: BarSpec[]): RowSpec =>
  latency(`dc-8r-b${batch}-${type}`, {
    peer: mpi(8, 'dispatch', `${batch}`, type, type),
    bars: [atMost(0.5), ...bars],
  });

const dispatchCombine: RowSpec[] = [4, 32, 128].flatMap((batch) => [
  dispatchRow(batch, 'bf16', []),
  dispatchRow(batch, 'int8', batch > 32 ? [atMost(0.7, native(`dc-8r-b${batch}-bf16`))] : []),
]);

const loop = (name: string, bars: BarSpec[]): RowSpec => ({
  case: name,
  unit: 'steps/s',
  better: 'higher',
  ours: native(name),
  peer: native('loop-colocated-b8'),
  bars,
});

const atLeast = atMost; // which of the two a bound is follows from the row's `better`

const loops: RowSpec[] = [
  loop('loop-1x1-b8-2mb', [atLeast(0.75)]),
  loop('loop-2x2-b8', [atLeast(0.6)]),
  loop('loop-3x5-b8', [atLeast(0.36)]),
  loop('loop-2x2-b8-noisy', []),
  {
    case: 'loop-2x2-b8-noisy min',
    unit: 'steps/s',
    better: 'higher',
    ours: native('loop-2x2-b8-noisy', 'min'),
    bars: [atLeast(0.3, native('loop-2x2-b8'))],
  },
  {
    case: 'loop-2x2-b8-noisy p99',
    unit: 'us',
    better: 'lower',
    ours: native('loop-2x2-b8-noisy', 'p99'),
    bars: [atMost(5, native('loop-2x2-b8', 'p99'))],
  },
];

type Form = ModelSource['form'];
const FORMS: readonly Form[] = ['direct', 'trampoline'];

const model = (numAttention: number, numExperts: number, form: Form, figure = VALUE): FigureRef => ({
  source: { from: 'model', numAttention, numExperts, form } satisfies ModelSource,
  figure,
});

const messages = (name: string, ours: FigureRef, rest: Pick<RowSpec, 'limit' | 'bars'>): RowSpec => ({
  case: name,
  unit: 'messages',
  better: 'lower',
  ours,
  ...rest,
});

/** The library's counts of a small exchange are the model's; then the model may speak of those that do not run here. */
const exchange = (form: Form): RowSpec[] => [
  latency(`a2e-3x5-${form}`, { bars: [] }),
  ...['attention', 'first_expert', 'last_expert'].map((rank) => {
    const counted = native(`a2e-3x5-${form}`, `${rank}_messages`);
    const modelled = model(3, 5, form, rank);
    return messages(`a2e-3x5-${form} ${rank}`, counted, { limit: modelled, bars: [atMost(1, 'limit')] });
  }),
];

/** Attention and expert ranks; the last are the paper's domain (section 3, A2E and E2A). */
const MODELLED: readonly (readonly [numAttention: number, numExperts: number])[] = [
  [16, 32],
  [48, 96],
  [160, 288],
];

const modelledMessages: RowSpec[] = MODELLED.flatMap(([numAttention, numExperts]) =>
  FORMS.map((form) =>
    messages(`a2e-${numAttention}x${numExperts}-${form} modelled`, model(numAttention, numExperts, form), { bars: [] }),
  ),
);

export const ROWS: readonly RowSpec[] = [
  ...pointToPoint,
  ...telemetry,
  idle,
  ...allToAll,
  ...collectives,
  ...dispatchCombine,
  ...loops,
  ...FORMS.flatMap(exchange),
  ...modelledMessages,
];
