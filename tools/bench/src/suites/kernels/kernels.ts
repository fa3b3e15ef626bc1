// Suite `kernels`: every kernel of native/kernels in every form that this machine has, on one pinned thread, as a share of the machine's
// roofline. The cases are the tables beside the kernels (native/kernels/<op>/<op>_bench.cc): a new one needs no row here.
import { NativeBench, type NativeLine } from '../../native-bench.js';
import type { Measurement } from '../../row.js';
import { median } from '../../stats.js';
import type { BenchContext, Suite } from '../../suite.js';
import { LIMIT_PREFIX, type Limits, limitsOf, rooflineOf } from './roofline.js';

const KERNEL_PREFIX = 'kernels/';
const SECONDS = 0.1;

export const kernels: Suite = {
  name: 'kernels',
  summary: "every kernel in every instruction set, one thread, as a share of the machine's roofline",
  run,
};

async function run(context: BenchContext): Promise<Measurement[]> {
  const bench = new NativeBench(context.repoRoot);
  await bench.build();
  const all = await bench.list();
  const limits = all.filter((name) => name.startsWith(LIMIT_PREFIX));
  const wanted = all.filter((name) => name.startsWith(KERNEL_PREFIX) && context.isWanted(caseOf(name)));
  const runs: NativeLine[][] = [];
  for (let runIdx = 0; runIdx < context.numRuns; runIdx++) {
    context.progress(`run ${runIdx + 1} of ${context.numRuns}: ${limits.length} limits, ${wanted.length} cases`);
    runs.push(await bench.measure([...limits, ...wanted], SECONDS));
  }
  return measurementsOf(runs);
}

/** The limits first, then the kernels beside their rooflines. Each run has the same cases. */
export function measurementsOf(runs: readonly NativeLine[][]): Measurement[] {
  const lines = runs.flat();
  const limits = limitsOf(lines.filter((line) => line.case.startsWith(LIMIT_PREFIX)));
  const names = [...new Set(lines.map((line) => line.case))];
  return names.map((name) =>
    measurementOf(
      lines.filter((line) => line.case === name),
      limits,
    ),
  );
}

function measurementOf(lines: readonly NativeLine[], limits: Limits): Measurement {
  const [{ case: name, unit }] = lines as [NativeLine];
  const figure = (which: string) => median(lines.map(({ figures }) => figures[which] ?? 0));
  const measurement: Measurement = {
    case: caseOf(name),
    unit,
    better: 'higher',
    values: lines.map(({ values }) => median(values)),
  };
  if (name.startsWith(LIMIT_PREFIX)) return measurement;
  const work = { operations: figure('operations'), bytes: figure('bytes'), span: figure('span') };
  const form = name.slice(name.lastIndexOf('/') + 1);
  return { ...measurement, limit: rooflineOf(work, unit, form, limits), extras: { us: figure('p50') } };
}

const caseOf = (name: string) => (name.startsWith(KERNEL_PREFIX) ? name.slice(KERNEL_PREFIX.length) : name);
