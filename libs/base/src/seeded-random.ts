// Reproducible randomness for property tests and simulations: the same seed gives the same run everywhere.
// Not for the sampler (its noise is native, numeric contract D2) nor for anything secret.

/** Generator mulberry32 (Tommy Ettinger, public domain): 32 bits of state, good enough to vary inputs. */
export class SeededRandom {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return Math.floor(this.unit() * bound);
  }

  /** A number in [0, 1). */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new Error('picked from an empty list');
    return items[this.below(items.length)] as T;
  }
}
