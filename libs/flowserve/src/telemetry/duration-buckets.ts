// The buckets of call durations that metrics show: coarser than what XCCL counts, for each is a series of its own for every primitive
// and peer of every rank. Pure.

/** Bucket i of XCCL ends at 2^(i+1) ns. Shown are the ends at 2^10 ns = 1 us, 4 us, 16 us, ... 2^34 ns = 17 s. */
const firstLog2 = 10;
const lastLog2 = 34;
const log2Step = 2;

/** [13], in s, ascending. XCCL counts a call of exactly so long in the bucket above, which a histogram of whole ns may. */
export const durationBoundaries: number[] = Array.from(
  { length: (lastLog2 - firstLog2) / log2Step + 1 },
  (_, i) => 2 ** (firstLog2 + i * log2Step) / 1e9,
);

/**
 * Calls by what is shown.
 *
 * @param durationBuckets as in PrimitiveStats
 * @returns [boundaries + 1], the last the calls longer than all boundaries
 */
export function mergeBuckets(durationBuckets: readonly bigint[]): number[] {
  const merged = new Array<number>(durationBoundaries.length + 1).fill(0);
  for (const [i, count] of durationBuckets.entries()) {
    const idx = Math.ceil((i + 1 - firstLog2) / log2Step);
    const shownIdx = Math.min(Math.max(idx, 0), durationBoundaries.length);
    merged[shownIdx] = (merged[shownIdx] ?? 0) + Number(count);
  }
  return merged;
}
