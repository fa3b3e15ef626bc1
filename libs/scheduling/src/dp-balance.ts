// Which DP group of a decode TE takes a sequence (seeds.md, "Decode DP balancing"): leave out groups at their batch limit,
// then pick the lowest KV usage, counting space reserved for long outputs. Called by the decode service; pure.

export interface DpGroupLoad {
  /** Sequences running, queued or holding a place. */
  numSequences: number;
  maxBatchSize: number;
  numBlocks: number;
  numUsedBlocks: number;
  /** Blocks that accepted sequences will still need if they run to their limit. */
  numReservedBlocks: number;
}

/** Index of the group to take, ties to the lower one; null when `groups` is empty. When all are at their limit, all compete. */
export function chooseDpGroup(groups: readonly DpGroupLoad[]): number | null {
  const hasRoom = (group: DpGroupLoad) => group.numSequences < group.maxBatchSize;
  const onlyWithRoom = groups.some(hasRoom);
  let bestIdx: number | null = null;
  let bestUsage = Number.POSITIVE_INFINITY;
  for (const [groupIdx, group] of groups.entries()) {
    if (onlyWithRoom && !hasRoom(group)) continue;
    const usage = (group.numUsedBlocks + group.numReservedBlocks) / group.numBlocks;
    if (usage < bestUsage) {
      bestUsage = usage;
      bestIdx = groupIdx;
    }
  }
  return bestIdx;
}
