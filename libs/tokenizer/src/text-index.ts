// Finds the id of a token by its text. Used by Bpe. An open-addressing table over the UTF-8 of the vocabulary, which can be kept as it is,
// where a Map would need a string for each token first.
import type { ByteStrings, Texts } from './tables.js';

const utf8 = new TextEncoder();

export class TextIndex {
  readonly #texts: Texts;
  /** For the text that is looked for: a longer one than the longest is none of them. */
  readonly #wanted: Uint8Array;

  constructor(texts: Texts, textBytesMax: number) {
    this.#texts = texts;
    this.#wanted = new Uint8Array(textBytesMax);
  }

  /** Of a text that stands twice the last id counts. */
  static index(texts: ByteStrings, ids: Uint32Array): Texts {
    const slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * ids.length + 2)));
    const table = { ...texts, ids, slots };
    const index = new TextIndex(table, 0);
    const { bytes, ends } = texts;
    for (let i = 0; i < ends.length; i++) slots[index.#slotOf(bytes, ends[i - 1] ?? 0, ends[i] as number)] = i + 1;
    return table;
  }

  /** The id of a text without lone surrogates; undefined for one that is no token. */
  get(text: string): number | undefined {
    const { read, written } = utf8.encodeInto(text, this.#wanted);
    if (read < text.length) return undefined;
    const found = this.#texts.slots[this.#slotOf(this.#wanted, 0, written)] as number;
    return found === 0 ? undefined : this.#texts.ids[found - 1];
  }

  /** The slot of the text that is these bytes, or the empty one where it belongs. */
  #slotOf(bytes: Uint8Array, start: number, end: number): number {
    const { slots } = this.#texts;
    let hash = 0x811c9dc5; // FNV-1a
    for (let at = start; at < end; at++) hash = Math.imul(hash ^ (bytes[at] as number), 0x01000193);
    let slot = (hash ^ (hash >>> 15)) & (slots.length - 1);
    while (slots[slot] !== 0 && !this.#isText((slots[slot] as number) - 1, bytes, start, end)) {
      slot = (slot + 1) & (slots.length - 1);
    }
    return slot;
  }

  #isText(idx: number, bytes: Uint8Array, start: number, end: number): boolean {
    const texts = this.#texts;
    const textStart = texts.ends[idx - 1] ?? 0;
    if ((texts.ends[idx] as number) - textStart !== end - start) return false;
    for (let i = 0; i < end - start; i++) {
      if (texts.bytes[textStart + i] !== bytes[start + i]) return false;
    }
    return true;
  }
}
