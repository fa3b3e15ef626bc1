// Epochs of masters. A rank obeys the highest one (D3), so that each connection of each start of a TE needs one of its own, higher
// than all before it. Even ones are masters'; the odd one above each is the rank's own, under which it has no sequences.

const maxConnections = 2 ** 15;

/** Epoch of the `connectionIdx`-th connection of a TE of that registry epoch. The registry's epochs are below 2^47. */
export function masterEpoch(teEpoch: bigint, connectionIdx: number): bigint {
  return teEpoch * BigInt(2 * maxConnections) + 2n * BigInt(Math.min(connectionIdx, maxConnections - 1));
}

/** The rank's own epoch after the master of `epoch` is gone. */
export function idleEpoch(epoch: bigint): bigint {
  return epoch + 1n;
}
