// Candidates for merging, the one of lowest rank first and of those with equal rank the leftmost. Used by Bpe for one piece.
// A binary heap of numbers: rank and position are parts of one, which is exact while ranks are below 2^22 and positions below 2^31.

const NUM_POSITIONS = 2 ** 31;

/** A priority queue of (rank, position). */
export class MergeQueue {
  readonly #heap: number[] = [];

  push(rank: number, position: number): void {
    const heap = this.#heap;
    const key = rank * NUM_POSITIONS + position;
    let at = heap.length;
    heap.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const parentKey = heap[parent] as number;
      if (parentKey <= key) break;
      heap[at] = parentKey;
      at = parent;
    }
    heap[at] = key;
  }

  /** Takes the first candidate out; null when there is none. */
  pop(): { rank: number; position: number } | null {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return null;
    if (heap.length > 0) this.#sink(last);
    const rank = Math.floor(first / NUM_POSITIONS);
    return { rank, position: first - rank * NUM_POSITIONS };
  }

  /** Puts a key in place of the first. */
  #sink(key: number): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      const childKey = heap[child] as number;
      if (childKey >= key) break;
      heap[at] = childKey;
      at = child;
    }
    heap[at] = key;
  }
}
