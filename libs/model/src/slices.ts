// The number of K-slices that row-parallel products are cut into (numeric contract D2). Called by config.ts for a shape and
// by weight-plan.ts again once the types of the stored matrices are known.
import type { ModelSpec } from './spec.js';

const NUM_SLICES_MAX = 8;

/**
 * S of D2: the largest power of two, at most 8, that divides the heads (o_proj is cut between heads) and the inner widths
 * of the dense and the shared FFN. A power of two, so that the tree of partial sums is balanced.
 */
export function chooseNumSlices(spec: ModelSpec): number {
  const { numHeads, intermediateSize, sharedIntermediateSize } = spec;
  return largestDivisor([numHeads, intermediateSize, sharedIntermediateSize], NUM_SLICES_MAX);
}

/**
 * As many slices as `numSlices`, or fewer so that none ends inside a block of elements that share a scale.
 *
 * @param products Row-parallel matrices: their inner width and the elements of a block of it.
 */
export function fitSlices(numSlices: number, products: readonly { width: number; blockElements: number }[]): number {
  const inBlocks = products.map(({ width, blockElements }) => Math.floor(width / blockElements));
  // A width that ends with half a block cannot be cut at all without cutting it.
  const hasRest = products.some(({ width, blockElements }) => width % blockElements !== 0);
  return hasRest ? 1 : largestDivisor(inBlocks, numSlices);
}

/** The largest of most, most / 2, ... that divides all sizes; 0 counts as divided. */
function largestDivisor(sizes: readonly number[], most: number): number {
  let divisor = most;
  while (sizes.some((size) => size % divisor !== 0)) divisor /= 2;
  return divisor;
}
