// One measured figure, and the one JSON format of all benches (CONTRIBUTING.md). Pure.
import { median, spread } from './stats.js';

export type Better = 'lower' | 'higher';

/** Somebody else's value of the same figure, or the most that the machine or a promise allows. */
export interface Yardstick {
  name: string;
  /** In the row's unit. */
  value: number;
}

/** What a figure has to reach: at most (where lower is better) or at least `bound` times the yardstick. */
export interface Bar {
  against: 'peer' | 'limit' | Yardstick;
  bound: number;
}

/** What a suite hands over: one value a run. */
export interface Measurement {
  case: string;
  unit: string;
  better: Better;
  values: number[];
  peer?: Yardstick;
  limit?: Yardstick;
  bars?: Bar[];
  /** Further figures of the case by name, medians already. */
  extras?: Record<string, number>;
  /** What a reader has to know about this row, such as why it has no peer. */
  notes?: string[];
}

/** A bar and whether it holds; null without its yardstick. */
export interface JudgedBar {
  against: string;
  bound: number;
  ratio: number | null;
  holds: boolean | null;
}

/** As written to JSON. `ours` is the median of the runs, ratios are ours / theirs, `spread` is (max - min) / median. */
export interface Row {
  case: string;
  unit: string;
  better: Better;
  ours: number;
  peer: Yardstick | null;
  limit: Yardstick | null;
  ratioToPeer: number | null;
  ratioToLimit: number | null;
  runs: number;
  spread: number;
  bars: JudgedBar[];
  extras: Record<string, number>;
  notes: string[];
}

export interface Report {
  suite: string;
  commit: string;
  machine: string;
  rows: Row[];
}

export function rowOf(measurement: Measurement): Row {
  const ours = median(measurement.values);
  const { peer = null, limit = null } = measurement;
  return {
    case: measurement.case,
    unit: measurement.unit,
    better: measurement.better,
    ours,
    peer,
    limit,
    ratioToPeer: ratio(ours, peer),
    ratioToLimit: ratio(ours, limit),
    runs: measurement.values.length,
    spread: spread(measurement.values),
    bars: (measurement.bars ?? []).map((bar) => judge(bar, ours, measurement)),
    extras: measurement.extras ?? {},
    notes: measurement.notes ?? [],
  };
}

function judge({ against, bound }: Bar, ours: number, { peer, limit, better }: Measurement): JudgedBar {
  const yardstick = typeof against === 'object' ? against : against === 'peer' ? peer : limit;
  const reached = ratio(ours, yardstick ?? null);
  const name = typeof against === 'object' ? against.name : against;
  if (reached === null) return { against: name, bound, ratio: null, holds: null };
  return { against: name, bound, ratio: reached, holds: better === 'lower' ? reached <= bound : reached >= bound };
}

function ratio(ours: number, yardstick: Yardstick | null): number | null {
  return yardstick === null || yardstick.value === 0 ? null : ours / yardstick.value;
}
