// How far ahead of a sequence its blocks are granted (D3). The loop must not wait for the master, so a sequence holds at least
// two blocks beyond its next position, or what it can fill while a plan travels. Called by the master; pure.

const MIN_BLOCKS_AHEAD = 2;

export interface GrowthState {
  /** Tokens the master knows of: KV is needed for this many positions to compute the next token. */
  numTokens: number;
  /** Tokens the sequence can have at most. */
  maxTokens: number;
  numBlocks: number;
}

/** Blocks without which the sequence cannot take its next step: 0 or more. */
export function blocksLacking({ numTokens, numBlocks }: GrowthState, blockTokens: number): number {
  return Math.max(0, Math.ceil(numTokens / blockTokens) - numBlocks);
}

/** Blocks the sequence may still need before it ends. The last token's own KV is never computed. */
export function blocksToEnd({ maxTokens, numBlocks }: GrowthState, blockTokens: number): number {
  return Math.max(0, Math.ceil((maxTokens - 1) / blockTokens) - numBlocks);
}

/** Blocks to grant so that the sequence is far enough ahead; `roundTripSteps` is what the rank runs while a plan travels. */
export function blocksToGrantAhead(state: GrowthState, blockTokens: number, roundTripSteps: number): number {
  const numTokensAhead = Math.max(MIN_BLOCKS_AHEAD * blockTokens, 2 * roundTripSteps);
  const numBlocksWanted = Math.ceil((state.numTokens + numTokensAhead) / blockTokens) - state.numBlocks;
  return Math.max(0, Math.min(numBlocksWanted, blocksToEnd(state, blockTokens)));
}
