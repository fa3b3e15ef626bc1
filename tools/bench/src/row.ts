// One measured figure, and the one JSON format of all benches (CONTRIBUTING.md). Pure.
import { median, spread } from './stats.js';

export type Better = 'lower' | 'higher';

/** Somebody else's value of the same figure, or the most that the machine or a promise allows. */
export interface Yardstick {
  name: string;
  /** In the row's unit. */
  value: number;
}

/** What a suite hands over: one value a run. */
export interface Measurement {
  case: string;
  unit: string;
  better: Better;
  values: number[];
  peer?: Yardstick;
  limit?: Yardstick;
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
  };
}

function ratio(ours: number, yardstick: Yardstick | null): number | null {
  return yardstick === null || yardstick.value === 0 ? null : ours / yardstick.value;
}
