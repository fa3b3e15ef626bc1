// Numbers for randomised tests: each such test prints its seed and takes TEST_SEED to run with that one again.

/** xorshift32 (Marsaglia 2003): good enough to vary requests, and the same everywhere. */
export class Prng {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed | 0 || 1; // 0 is a fixed point of xorshift
  }

  /** Below `bound`, at least 0. */
  below(bound: number): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) % bound;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('picked from an empty list');
    return item;
  }
}

/** Seed of this run, printed once by the caller. */
export function testSeed(fallback: number): number {
  const given = process.env.TEST_SEED;
  return given === undefined ? fallback : Number(given);
}
