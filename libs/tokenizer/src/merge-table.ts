// The merges of a BPE model: which two tokens make a third, and which merge goes first. Read once a merge by Bpe.
// An open-addressing table of numbers: vocabularies have hundreds of thousands of merges, and a Map of texts takes seconds to fill.

const NONE = -1;

/** Pair of token ids -> rank and result. Lower ranks go first; two pairs may have the same. */
export class MergeTable {
  readonly #slotMask: number;
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #ranks: Int32Array;
  readonly #results: Int32Array;

  /** @param rows [merges, 4]: left, right, rank and result. The last of several merges of the same pair counts. */
  constructor(rows: Uint32Array) {
    const numMerges = rows.length / 4;
    const numSlots = 2 ** Math.ceil(Math.log2(2 * numMerges + 2));
    this.#slotMask = numSlots - 1;
    this.#lefts = new Int32Array(numSlots).fill(NONE);
    this.#rights = new Int32Array(numSlots);
    this.#ranks = new Int32Array(numSlots);
    this.#results = new Int32Array(numSlots);
    for (let at = 0; at < rows.length; at += 4) {
      this.#set(rows[at] as number, rows[at + 1] as number, rows[at + 2] as number, rows[at + 3] as number);
    }
  }

  /** Where the pair stands, for rank and result; -1 for a pair that is not merged. */
  find(left: number, right: number): number {
    const slot = this.#slotOf(left, right);
    return this.#lefts[slot] === NONE ? NONE : slot;
  }

  rankAt(slot: number): number {
    return this.#ranks[slot] as number;
  }

  resultAt(slot: number): number {
    return this.#results[slot] as number;
  }

  #set(left: number, right: number, rank: number, result: number): void {
    const slot = this.#slotOf(left, right);
    this.#lefts[slot] = left;
    this.#rights[slot] = right;
    this.#ranks[slot] = rank;
    this.#results[slot] = result;
  }

  /** The pair's slot, or the empty one where it belongs. Half of the slots at least are empty. */
  #slotOf(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#slotMask;
    while (this.#lefts[slot] !== NONE && (this.#lefts[slot] !== left || this.#rights[slot] !== right)) {
      slot = (slot + 1) & this.#slotMask;
    }
    return slot;
  }
}
