// Gathers the suite's figures run by run, and makes measurements of them. Knows no program: meters are handed in.
import type { Bar, Measurement, Yardstick } from '../../row.js';
import { MissingProgram } from '../../run-program.js';
import { median } from '../../stats.js';
import type { RowSpec } from './rows.js';
import { type FigureRef, type Figures, figureOf, keyOf, type Meter, type Source } from './source.js';

// Of every case, and of no interest in the report.
const PLAIN_FIGURES = new Set(['p50', 'p99', 'mean', 'min', 'samples', 'batch']);

export class Collection {
  private readonly figures = new Map<string, Figures[]>();
  private readonly missing = new Map<string, string>();

  constructor(private readonly meter: Meter<Source>) {}

  /** One run: every source once, in the order of the rows, so that what a row compares is measured close together. */
  async run(rows: readonly RowSpec[], progress: (line: string) => void): Promise<void> {
    const done = new Set<string>();
    for (const row of rows) {
      progress(row.case);
      for (const { source } of refsOf(row)) {
        const key = keyOf(source);
        if (done.has(key) || this.missing.has(key)) continue;
        done.add(key);
        await this.take(source, key);
      }
    }
  }

  measurementOf(row: RowSpec): Measurement {
    const bars = row.bars.map(({ against, bound }): Bar => {
      if (typeof against === 'string') return { against, bound };
      const yardstick = this.yardstickOf(against);
      if (yardstick === undefined)
        throw new Error(`${row.case}: no ${this.meter.nameOf(against.source)} to hold it against`);
      return { against: yardstick, bound };
    });
    const peer = row.peer && this.yardstickOf(row.peer);
    const limit = row.limit && this.yardstickOf(row.limit);
    return {
      case: row.case,
      unit: row.unit,
      better: row.better,
      values: this.valuesOf(row.ours),
      ...(peer && { peer }),
      ...(limit && { limit }),
      bars,
      extras: this.extrasOf(row.ours),
      notes: [...new Set(refsOf(row).flatMap(({ source }) => this.noteOf(source) ?? []))],
    };
  }

  private noteOf(source: Source): string | undefined {
    return this.missing.get(keyOf(source)) ?? this.meter.noteOf?.(source);
  }

  private async take(source: Source, key: string): Promise<void> {
    try {
      const figures = await this.meter.measure(source);
      this.figures.set(key, [...(this.figures.get(key) ?? []), figures]);
    } catch (error) {
      if (!(error instanceof MissingProgram)) throw error;
      this.missing.set(key, error.message);
    }
  }

  private valuesOf({ source, figure }: FigureRef): number[] {
    return (this.figures.get(keyOf(source)) ?? []).map((figures) => {
      const value = figureOf(figures, figure);
      if (value === undefined) throw new Error(`${this.meter.nameOf(source)} has no figure "${figure}"`);
      return value;
    });
  }

  private yardstickOf(ref: FigureRef): Yardstick | undefined {
    const values = this.valuesOf(ref);
    return values.length === 0 ? undefined : { name: this.meter.nameOf(ref.source), value: median(values) };
  }

  private extrasOf({ source }: FigureRef): Record<string, number> {
    const all = this.figures.get(keyOf(source)) ?? [];
    const names = Object.keys(all[0]?.others ?? {}).filter((name) => !PLAIN_FIGURES.has(name));
    return Object.fromEntries(names.map((name) => [name, median(all.map(({ others }) => others[name] ?? 0))]));
  }
}

/** Peer, ours, limit, and whatever else the bars need. */
export function refsOf(row: RowSpec): FigureRef[] {
  const others = row.bars.map(({ against }) => against).filter((against) => typeof against === 'object');
  return [row.peer, row.ours, row.limit, ...others].filter((ref) => ref !== undefined);
}
