// Our side: cases of native_bench, one at a time.
import { NativeBench, type NativeLine } from '../../native-bench.js';
import { median } from '../../stats.js';
import type { Figures, Meter, NativeSource } from './source.js';

const SECONDS = 1;

export class NativeMeter implements Meter<NativeSource> {
  private readonly bench: NativeBench;

  constructor(repoRoot: string) {
    this.bench = new NativeBench(repoRoot);
  }

  async build(): Promise<void> {
    await this.bench.build();
  }

  /** Throws, listing them, for cases that native_bench does not have. */
  async checkCases(names: readonly string[]): Promise<void> {
    const known = new Set(await this.bench.list());
    const unknown = names.filter((name) => !known.has(name));
    if (unknown.length > 0) throw new Error(`native_bench does not have these cases: ${unknown.join(', ')}`);
  }

  async measure(source: NativeSource): Promise<Figures> {
    const [line] = await this.bench.measure([source.case], SECONDS);
    if (line === undefined) throw new Error(`native_bench: no line for ${source.case}`);
    return figuresOf(line);
  }

  nameOf(source: NativeSource): string {
    return source.case;
  }
}

/** `value` is the median of the repetitions, `min` the least of them. */
export function figuresOf({ values, figures }: NativeLine): Figures {
  return { value: median(values), others: { ...figures, min: Math.min(...values) } };
}
