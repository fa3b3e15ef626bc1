// The merges of a BPE model: which two tokens make a third, and which merge goes first. Read once a merge by Bpe.
// An open-addressing table of numbers: vocabularies have hundreds of thousands of merges, and a Map of texts takes seconds to fill.
import type { Merges } from './tables.js';

const ROW_NUMBERS = 4;
const NONE = -1;

/** Pair of token ids -> rank and result. Lower ranks go first; two pairs may have the same. */
export class MergeTable {
  readonly #rows: Uint32Array;
  readonly #slots: Uint32Array;

  constructor({ rows, slots }: Merges) {
    this.#rows = rows;
    this.#slots = slots;
  }

  /** @param rows [merges, 4]: left, right, rank and result. The last of several merges of the same pair counts. */
  static index(rows: Uint32Array): Merges {
    const numMerges = rows.length / ROW_NUMBERS;
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * numMerges + 2)));
    const table = new MergeTable({ rows, slots });
    for (let i = 0; i < numMerges; i++) {
      const row = ROW_NUMBERS * i;
      slots[table.#slotOf(rows[row] as number, rows[row + 1] as number)] = i + 1;
    }
    return { rows, slots };
  }

  /** The pair's row, for rank and result; -1 for a pair that is not merged. */
  find(left: number, right: number): number {
    const found = this.#slots[this.#slotOf(left, right)] as number;
    return found === 0 ? NONE : ROW_NUMBERS * (found - 1);
  }

  rankAt(row: number): number {
    return this.#rows[row + 2] as number;
  }

  resultAt(row: number): number {
    return this.#rows[row + 3] as number;
  }

  /** The pair's slot, or the empty one where it belongs. */
  #slotOf(left: number, right: number): number {
    const slotMask = this.#slots.length - 1;
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & slotMask;
    while (this.#slots[slot] !== 0 && !this.#isPair(this.#slots[slot] as number, left, right))
      slot = (slot + 1) & slotMask;
    return slot;
  }

  #isPair(found: number, left: number, right: number): boolean {
    const row = ROW_NUMBERS * (found - 1);
    return this.#rows[row] === left && this.#rows[row + 1] === right;
  }
}
