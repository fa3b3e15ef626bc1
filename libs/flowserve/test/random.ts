// A small seeded generator for the property tests (mulberry32): the same seed gives the same run.

export type Random = (below: number) => number;

/** Answers a function that draws an integer in [0, below). */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  };
}

/** Seed of this run: TEST_SEED from the environment, or a fresh one. Printed, so that a failure can be run again. */
export function runSeed(name: string): number {
  const seed = Number(process.env.TEST_SEED ?? Date.now() % 1_000_000);
  console.log(`${name}: TEST_SEED=${seed}`);
  return seed;
}
