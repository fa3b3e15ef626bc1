// Remembers why the last few handles ended, so that a late or second claim gets a true answer. Bounded: the oldest are forgotten.

/** Its lease or its claimant ended; it was released; its blocks were handed over within the process. */
export type EndReason = 'expired' | 'released' | 'adopted';

export class Tombstones {
  readonly #reasons = new Map<string, EndReason>();

  constructor(private readonly numMax: number) {}

  add(key: string, reason: EndReason): void {
    this.#reasons.set(key, reason);
    if (this.#reasons.size <= this.numMax) return;
    const oldest = this.#reasons.keys().next().value;
    if (oldest !== undefined) this.#reasons.delete(oldest);
  }

  reasonOf(key: string): EndReason | null {
    return this.#reasons.get(key) ?? null;
  }
}
