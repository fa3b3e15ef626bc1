// The machine's roofline: the least time that a piece of work takes, by the peak of its kind of operation and by what it has to read.
// Pure; the limits come from native_bench (native/kernels/bench/limits_bench.cc).
import type { NativeLine } from '../../native-bench.js';
import type { Yardstick } from '../../row.js';

export const LIMIT_PREFIX = 'limits/';

export interface Limits {
  /** 1e9 operations a second, by kind and instruction set: "fp32-avx2". */
  peaks: ReadonlyMap<string, number>;
  /** GB/s of reading what was read so many bytes before; ascending bytes. */
  reads: readonly { numBytes: number; gbytesPerSecond: number }[];
}

/** What a kernel does in one run; `span` bytes are visited before the same ones are visited again. */
export interface Work {
  operations: number;
  bytes: number;
  span: number;
}

/** Of the best repetition of all runs: a limit is what the machine can do. Throws for a line that is no limit. */
export function limitsOf(lines: readonly NativeLine[]): Limits {
  const peaks = new Map<string, number>();
  const reads = new Map<number, number>();
  for (const line of lines) {
    const best = Math.max(...line.values);
    const [, kind, what = ''] = line.case.match(/^limits\/(peak|read)-(.+)$/) ?? [];
    if (kind === 'peak') peaks.set(what, Math.max(best, peaks.get(what) ?? 0));
    else if (kind === 'read') reads.set(Number(what), Math.max(best, reads.get(Number(what)) ?? 0));
    else throw new Error(`native_bench: "${line.case}" is no limit`);
  }
  const ascending = [...reads].sort(([a], [b]) => a - b);
  return { peaks, reads: ascending.map(([numBytes, gbytesPerSecond]) => ({ numBytes, gbytesPerSecond })) };
}

/** In `unit`, which is that of bytes or of operations. The name says what bounds the work. */
export function rooflineOf(work: Work, unit: string, form: string, limits: Limits): Yardstick {
  const peak = peakOf(unit === 'GOP/s' ? 'int8' : 'fp32', form, limits);
  const read = readOf(work.span, limits);
  const computeNs = work.operations / peak.value;
  const readNs = work.bytes / read.value;
  const ns = Math.max(computeNs, readNs);
  return {
    name: `roofline: ${computeNs > readNs ? peak.name : read.name}`,
    value: (unit === 'GB/s' ? work.bytes : work.operations) / ns,
  };
}

function peakOf(kind: string, form: string, { peaks }: Limits): Yardstick {
  const name = `${kind}-${form}`;
  const value = peaks.get(name);
  if (value === undefined) throw new Error(`native_bench has no peak of ${kind} operations for ${form}`);
  return { name: `peak ${name}`, value };
}

/** The largest measured size that is no larger than the span: a smaller one is read faster, and a roof must not be too low. */
function readOf(span: number, { reads }: Limits): Yardstick {
  const read = reads.findLast(({ numBytes }) => numBytes <= span) ?? reads[0];
  if (read === undefined) throw new Error('native_bench has no limits of reading');
  return { name: `reading ${read.numBytes / 1_024} KiB`, value: read.gbytesPerSecond };
}
