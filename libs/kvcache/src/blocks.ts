// Arithmetic between tokens and KV blocks. Called by the pool's users and by the schedulers; pure.

/** Blocks that hold `numTokens` positions of `blockTokens` a block. */
export function blocksForTokens(numTokens: number, blockTokens: number): number {
  return Math.ceil(numTokens / blockTokens);
}
