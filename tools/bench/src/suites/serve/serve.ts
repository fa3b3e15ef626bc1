// Suite `serve`: what a client of a whole system on this machine sees in each topology, what the system costs when idle, and how
// long it takes from `npm start` to the first streamed token. Client and system share the machine's cores.
import { type System, startSystem, TOPOLOGIES, type Topology } from '@switchyard/testkit';
import type { Measurement } from '../../row.js';
import type { BenchContext, Suite } from '../../suite.js';
import { idleShareOfCore, startToFirstTokenMs } from './footprint.js';
import { type LoadFigures, measureLoad } from './load.js';

const CONCURRENCIES = [1, 4, 16];
const IDLE_LIMIT = { name: 'promise: 5% of a core', value: 0.05 };
const START_LIMIT = { name: 'promise', value: 5_000 };

export const serve: Suite = {
  name: 'serve',
  summary: 'TTFT, TPOT and tokens/s at concurrency 1, 4, 16 in the three topologies; idle cost; start to first token',
  run,
};

async function run(context: BenchContext): Promise<Measurement[]> {
  const values = new Map<string, number[]>();
  const keep = (key: string, value: number) => values.set(key, [...(values.get(key) ?? []), value]);
  // Topologies alternate within each run, so that a slow minute of the machine falls on all of them.
  for (let runIdx = 0; runIdx < context.numRuns; runIdx++) {
    for (const topology of TOPOLOGIES) {
      context.progress(`run ${runIdx + 1} of ${context.numRuns}: ${topology}`);
      await measureTopology(context, topology, keep);
    }
    context.progress(`run ${runIdx + 1} of ${context.numRuns}: npm start`);
    keep(START_CASE, await startToFirstTokenMs(context.repoRoot));
  }
  return allMeasurements(values);
}

async function measureTopology(
  context: BenchContext,
  topology: Topology,
  keep: (key: string, value: number) => void,
): Promise<void> {
  const system: System = await startSystem(context.repoRoot, { topology });
  try {
    await measureLoad(context.repoRoot, system, 1); // warms caches and code up; not counted
    if (topology === 'full') keep(IDLE_CASE, await idleShareOfCore(system));
    for (const concurrency of CONCURRENCIES) {
      const figures = await measureLoad(context.repoRoot, system, concurrency);
      for (const { key } of FIGURES) keep(loadCase(topology, concurrency, key), figures[key]);
    }
  } finally {
    await system.stop();
  }
}

const START_CASE = 'full: npm start to first token';
const IDLE_CASE = 'full: idle';
const loadCase = (topology: Topology, concurrency: number, key: keyof LoadFigures) =>
  `${topology} x${concurrency}: ${key}`;
const FIGURES: readonly { key: keyof LoadFigures; unit: string; better: Measurement['better'] }[] = [
  { key: 'ttft', unit: 'ms', better: 'lower' },
  { key: 'tpot', unit: 'ms', better: 'lower' },
  { key: 'throughput', unit: 'tokens/s', better: 'higher' },
];

function allMeasurements(values: ReadonlyMap<string, number[]>): Measurement[] {
  const valuesOf = (key: string) => values.get(key) ?? [];
  const load = TOPOLOGIES.flatMap((topology) =>
    CONCURRENCIES.flatMap((concurrency) =>
      FIGURES.map(({ key, unit, better }): Measurement => {
        const name = loadCase(topology, concurrency, key);
        return { case: name, unit, better, values: valuesOf(name) };
      }),
    ),
  );
  const idle: Measurement = {
    case: IDLE_CASE,
    unit: 'cores',
    better: 'lower',
    values: valuesOf(IDLE_CASE),
    limit: IDLE_LIMIT,
  };
  const start: Measurement = {
    case: START_CASE,
    unit: 'ms',
    better: 'lower',
    values: valuesOf(START_CASE),
    limit: START_LIMIT,
  };
  return [...load, idle, start];
}
