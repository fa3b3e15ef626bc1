// Suite `xccl`: the communication library on shared memory against UCX, Open MPI and the machine's own limits, in one run and
// alternating. What is measured stands in rows.ts; our side is native_bench (native/xccl/bench).
import { allowedCores } from '../../machine.js';
import type { Measurement } from '../../row.js';
import type { BenchContext, Suite } from '../../suite.js';
import { Collection, refsOf } from './collect.js';
import { MessageMeter } from './message-meter.js';
import { MpiMeter } from './mpi-meter.js';
import { NativeMeter } from './native-meter.js';
import { ROWS, type RowSpec } from './rows.js';
import type { GivenSource, Meter, Source } from './source.js';
import { UcxMeter } from './ucx-meter.js';

export const xccl: Suite = {
  name: 'xccl',
  summary:
    'XCCL against UCX, Open MPI, and the limits of cache line and memcpy: latency, all-to-all, dispatch, A2E loop',
  run,
};

async function run(context: BenchContext): Promise<Measurement[]> {
  const rows = ROWS.filter((row) => context.isWanted(row.case));
  const native = new NativeMeter(context.repoRoot);
  await native.build();
  await native.checkCases(nativeCasesOf(rows));
  const mpi = new MpiMeter(context.repoRoot);
  try {
    const collection = new Collection(
      meterOfAll({ native, ucx: new UcxMeter(twoCores()), mpi, model: new MessageMeter(), given: GIVEN }),
    );
    for (let runIdx = 0; runIdx < context.numRuns; runIdx++) {
      await collection.run(rows, (name) => context.progress(`run ${runIdx + 1} of ${context.numRuns}: ${name}`));
    }
    return rows.map((row) => collection.measurementOf(row));
  } finally {
    mpi.close();
  }
}

function nativeCasesOf(rows: readonly RowSpec[]): string[] {
  const sources = rows.flatMap(refsOf).map((ref) => ref.source);
  return [...new Set(sources.flatMap((source) => (source.from === 'native' ? [source.case] : [])))];
}

const GIVEN: Meter<GivenSource> = {
  measure: async ({ value }) => ({ value, others: {} }),
  nameOf: ({ name }) => name,
};

type MeterByOrigin = { [From in Source['from']]: Meter<Extract<Source, { from: From }>> };

function meterOfAll(meters: MeterByOrigin): Meter<Source> {
  const of = (source: Source) => meters[source.from] as Meter<Source>; // the key is the source's own
  return {
    measure: (source) => of(source).measure(source),
    nameOf: (source) => of(source).nameOf(source),
    noteOf: (source) => of(source).noteOf?.(source),
  };
}

/** The first two cores that this process may use (the same one twice where there is just one), as native_bench takes them. */
function twoCores(): [number, number] {
  const [first = 0, second = first] = allowedCores();
  return [first, second];
}
