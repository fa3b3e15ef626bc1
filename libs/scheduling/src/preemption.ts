// Which sequence gives its blocks up when a running one starves (D3): the youngest, so that the oldest always moves on and
// no two sequences preempt each other for ever. Called by the master; pure.

export interface PreemptionCandidate {
  /** Order in which the requests took their places; a preempted request keeps its own. */
  order: number;
  /** Blocks it would give up. */
  numBlocks: number;
}

/** The youngest candidate that holds blocks; null when nobody does. */
export function chooseVictim<T extends PreemptionCandidate>(candidates: Iterable<T>): T | null {
  let victim: T | null = null;
  for (const candidate of candidates) {
    if (candidate.numBlocks > 0 && (victim === null || candidate.order > victim.order)) victim = candidate;
  }
  return victim;
}
