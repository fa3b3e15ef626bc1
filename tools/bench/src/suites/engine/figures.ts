// Gathers what the engines made, run by run, and makes rows of it. Pure.
import type { Measurement, Yardstick } from '../../row.js';
import { median } from '../../stats.js';
import { barsOf } from './bars.js';
import type { CaseSpec } from './cases.js';
import type { BenchShape } from './model/shape.js';
import { decodeLimit, type OwnWeights, ownKernelClass } from './model-files.js';

/** Whose figure it is; engines with several thread counts are compared by their best one. */
export interface Source {
  engine: string;
  /** Null where there is no choice. */
  threads: number | null;
}

interface Series {
  source: Source;
  values: number[];
}

export const OURS: Source = { engine: 'ours', threads: null };
const GIGA = 1e9;

export class Figures {
  readonly #byCase = new Map<string, Series[]>();
  readonly #bandwidths: number[] = [];

  /** @param peer Name of the engine that is the peer of the rows. */
  constructor(
    private readonly peer: string,
    private readonly weights: OwnWeights,
    private readonly notes: readonly string[],
  ) {}

  add(caseName: string, source: Source, value: number): void {
    const series = this.#byCase.get(caseName) ?? [];
    this.#byCase.set(caseName, series);
    const known = series.find((each) => each.source.engine === source.engine && each.source.threads === source.threads);
    if (known === undefined) series.push({ source, values: [value] });
    else known.values.push(value);
  }

  /** Bytes per second. */
  addBandwidth(value: number): void {
    this.#bandwidths.push(value);
  }

  bandwidthRow(): Measurement {
    const values = this.#bandwidths.map((value) => value / GIGA);
    return { case: 'read-bandwidth', unit: 'GB/s', better: 'higher', values };
  }

  measurementOf(spec: CaseSpec, shape: BenchShape): Measurement {
    const better = spec.work.kind === 'first-token' ? 'lower' : 'higher';
    const peer = this.#best(spec, this.peer);
    const limit = this.#limit(spec, shape);
    const others = this.#otherEngines(spec).flatMap((engine) => this.#best(spec, engine) ?? []);
    const own = `${this.weights} weights in kernel class ${ownKernelClass(spec.shape)}`;
    const colocated = spec.colocated === undefined ? undefined : this.#own(spec.colocated);
    return {
      case: spec.name,
      unit: better === 'lower' ? 'ms' : 'tokens/s',
      better,
      values: this.#seriesOf(spec.name, OURS.engine)[0]?.values ?? [],
      ...(peer !== undefined && { peer }),
      ...(limit !== undefined && { limit }),
      bars: barsOf(spec.target, { peer, limit, others, colocated }),
      extras: this.#extras(spec),
      notes: [`ours ran on ${own}, the others on Q8_0`, ...(spec.target.peer ? this.notes : [])],
    };
  }

  #seriesOf(caseName: string, engine: string): Series[] {
    return (this.#byCase.get(caseName) ?? []).filter(({ source }) => source.engine === engine);
  }

  #otherEngines({ name }: CaseSpec): string[] {
    const engines = (this.#byCase.get(name) ?? []).map(({ source }) => source.engine);
    return [...new Set(engines)].filter((engine) => engine !== OURS.engine && engine !== this.peer);
  }

  #own(caseName: string): Yardstick | undefined {
    const series = this.#seriesOf(caseName, OURS.engine)[0];
    return series && { name: caseName, value: median(series.values) };
  }

  /** The engine with the thread count that is best for the case. */
  #best({ name, work }: CaseSpec, engine: string): Yardstick | undefined {
    const yardsticks = this.#seriesOf(name, engine).map((series): Yardstick => {
      return { name: describe(series.source), value: median(series.values) };
    });
    const sorted = yardsticks.sort((a, b) => (work.kind === 'first-token' ? a.value - b.value : b.value - a.value));
    return sorted[0];
  }

  #limit({ work }: CaseSpec, shape: BenchShape): Yardstick | undefined {
    if (work.kind !== 'decode') return undefined;
    const value = decodeLimit(shape, work.numSequences, median(this.#bandwidths));
    return { name: 'read bandwidth, 8-bit weights', value };
  }

  /** Every thread count of every other engine. */
  #extras({ name }: CaseSpec): Record<string, number> {
    const others = (this.#byCase.get(name) ?? []).filter(({ source }) => source.engine !== OURS.engine);
    return Object.fromEntries(others.map(({ source, values }) => [describe(source), median(values)]));
  }
}

function describe({ engine, threads }: Source): string {
  if (threads === null) return engine;
  return `${engine}, ${threads} thread${threads === 1 ? '' : 's'}`;
}
