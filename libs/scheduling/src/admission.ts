// Who may join the running batch: first come, first served, by capacity. Called by the DP group's master before each plan;
// pure: it only counts. A head that does not fit holds back those behind it, so that long prompts are not starved.

export interface PrefillCandidate {
  numTokens: number;
  /** Blocks its whole prompt needs. */
  numBlocks: number;
}

export interface PrefillCapacity {
  numFreeBlocks: number;
  /** Free blocks kept for the growth of running sequences. */
  numReservedBlocks: number;
  /** Sequences that may still join. */
  numFreePlaces: number;
  /** Prompt tokens of prefills that run already. */
  numOutstandingTokens: number;
  /** Prefill rows a step. */
  maxPrefillTokens: number;
}

/**
 * How many of `queue`, from its head, begin to prefill now. Blocks bound it, and the chunk budget: with two steps of rows
 * prepared, one more prompt would only hold memory.
 */
export function admitPrefills(queue: readonly PrefillCandidate[], capacity: PrefillCapacity): number {
  let numFree = capacity.numFreeBlocks - capacity.numReservedBlocks;
  let numOutstanding = capacity.numOutstandingTokens;
  let numAdmitted = 0;
  for (const candidate of queue) {
    const isFull = numAdmitted >= capacity.numFreePlaces || numOutstanding >= 2 * capacity.maxPrefillTokens;
    if (isFull || candidate.numBlocks > numFree) break;
    numFree -= candidate.numBlocks;
    numOutstanding += candidate.numTokens;
    numAdmitted += 1;
  }
  return numAdmitted;
}

export interface DecodeCandidate {
  /** Blocks to allocate before it can run. */
  numNewBlocks: number;
  /** Blocks it may still ask for later. */
  numGrowthBlocks: number;
}

export interface DecodeCapacity {
  numFreeBlocks: number;
  /** Growth reserve of those that run already (see blocksToReserve). */
  numReservedBlocks: number;
  numFreePlaces: number;
}

/** How many of `queue`, from its head, begin to decode now; each leaves a block of growth free, for itself and those before. */
export function admitDecodes(queue: readonly DecodeCandidate[], capacity: DecodeCapacity): number {
  let numFree = capacity.numFreeBlocks - capacity.numReservedBlocks;
  let numAdmitted = 0;
  for (const candidate of queue) {
    const numNeeded = candidate.numNewBlocks + Math.min(1, candidate.numGrowthBlocks);
    if (numAdmitted >= capacity.numFreePlaces || numNeeded > numFree) break;
    numFree -= numNeeded;
    numAdmitted += 1;
  }
  return numAdmitted;
}
