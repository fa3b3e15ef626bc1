// Finds the id of a token by its text. Used by Bpe. An open-addressing table over the UTF-8 of the vocabulary: it is filled in a few
// milliseconds, where a Map would need a string for each token first.
import type { ByteStrings } from './tables.js';

const utf8 = new TextEncoder();

export class TextIndex {
  readonly #texts: ByteStrings;
  readonly #ids: Uint32Array;
  readonly #slotMask: number;
  /** Number of a text plus 1; 0 is an empty slot. Half of the slots at least are empty. */
  readonly #slots: Uint32Array;
  /** For the text that is looked for: a longer one than the longest is none of them. */
  readonly #wanted: Uint8Array;

  /** Of a text that stands twice the last id counts. */
  constructor(texts: ByteStrings, ids: Uint32Array) {
    this.#texts = texts;
    this.#ids = ids;
    const numSlots = 2 ** Math.ceil(Math.log2(2 * ids.length + 2));
    this.#slotMask = numSlots - 1;
    this.#slots = new Uint32Array(numSlots);
    const { bytes, ends } = texts;
    let start = 0;
    let textBytesMax = 0;
    for (let i = 0; i < ends.length; i++) {
      const end = ends[i] as number;
      this.#slots[this.#slotOf(bytes, start, end)] = i + 1;
      textBytesMax = Math.max(textBytesMax, end - start);
      start = end;
    }
    this.#wanted = new Uint8Array(textBytesMax);
  }

  /** The id of a text without lone surrogates; undefined for one that is no token. */
  get(text: string): number | undefined {
    const { read, written } = utf8.encodeInto(text, this.#wanted);
    if (read < text.length) return undefined;
    const found = this.#slots[this.#slotOf(this.#wanted, 0, written)] as number;
    return found === 0 ? undefined : this.#ids[found - 1];
  }

  /** The slot of the text that is these bytes, or the empty one where it belongs. */
  #slotOf(bytes: Uint8Array, start: number, end: number): number {
    let hash = 0x811c9dc5; // FNV-1a
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & this.#slotMask;
    while (this.#slots[slot] !== 0 && !this.#isText((this.#slots[slot] as number) - 1, bytes, start, end)) {
      slot = (slot + 1) & this.#slotMask;
    }
    return slot;
  }

  #isText(idx: number, bytes: Uint8Array, start: number, end: number): boolean {
    const texts = this.#texts;
    const textStart = idx === 0 ? 0 : (texts.ends[idx - 1] as number);
    if ((texts.ends[idx] as number) - textStart !== end - start) return false;
    for (let i = 0; i < end - start; i++) {
      if (texts.bytes[textStart + i] !== bytes[start + i]) return false;
    }
    return true;
  }
}
