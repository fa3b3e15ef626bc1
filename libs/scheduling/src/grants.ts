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

export interface GrantPolicy {
  /** What the rank runs while a plan travels. */
  roundTripSteps: number;
  /** More than 1 where tokens are drafted. */
  tokensPerStepMax: number;
  /** Others wait for blocks: theirs are worth more than distance, so one block ahead must do. */
  isCrowded: boolean;
}

/** Blocks to grant so that the sequence is far enough ahead. */
export function blocksToGrantAhead(state: GrowthState, blockTokens: number, policy: GrantPolicy): number {
  const { roundTripSteps, tokensPerStepMax, isCrowded } = policy;
  const numTokensFar = Math.max(MIN_BLOCKS_AHEAD * blockTokens, 2 * roundTripSteps * tokensPerStepMax);
  const numTokensAhead = isCrowded ? blockTokens : numTokensFar;
  const numBlocksWanted = Math.ceil((state.numTokens + numTokensAhead) / blockTokens) - state.numBlocks;
  return Math.max(0, Math.min(numBlocksWanted, blocksToEnd(state, blockTokens)));
}

/** A running sequence's share of the growth reserve: one block, unless it holds one ahead or needs no more. */
export function blocksToReserve(state: GrowthState, blockTokens: number): number {
  const numAhead = state.numBlocks - Math.ceil(state.numTokens / blockTokens);
  return numAhead > 0 ? 0 : Math.min(1, blocksToEnd(state, blockTokens));
}
