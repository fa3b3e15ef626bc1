// How long to wait before a restart: short at first, because most deaths are single ones, then longer and longer.
// Pure: the caller tells how long the process ran.

const delayMsMin = 50;
const delayMsMax = 5000;
const stableMs = 10_000;

export class Backoff {
  #numDeaths = 0;

  /** Delay before the next start, after a process that ran for `ranMs`; a stable run clears what was before it. */
  delayMs(ranMs: number): number {
    if (ranMs >= stableMs) this.#numDeaths = 0;
    return Math.min(delayMsMax, delayMsMin * 2 ** this.#numDeaths++);
  }
}
