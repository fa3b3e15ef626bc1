// Byte-pair encoding of one piece of text. Called by Encoder for each piece that the pre-tokenizer cuts.
// Source: https://github.com/huggingface/tokenizers, tokenizers/src/models/bpe (model.rs, word.rs), whose ids these have to be.
import type { BpeTables } from './bpe-tables.js';
import { byteToChar } from './byte-level.js';
import { MergeQueue } from './merge-queue.js';
import { MergeTable } from './merge-table.js';
import type { BpeSettings } from './tables.js';
import { TextIndex } from './text-index.js';

/** Longer pieces are rare and hardly come again. */
const CACHED_LENGTH_MAX = 256;
const NUM_CACHED_MAX = 20_000;

const utf8 = new TextEncoder();

/** A BPE model. */
export class Bpe {
  readonly #settings: BpeSettings;
  readonly #merges: MergeTable;
  readonly #ids: TextIndex;
  readonly #cache = new Map<string, readonly number[]>();

  constructor({ settings, texts, merges }: BpeTables) {
    this.#settings = settings;
    this.#merges = new MergeTable(merges);
    this.#ids = new TextIndex(texts, settings.textBytesMax);
  }

  /** Whether every text has tokens, so that none of it is lost. */
  get coversAllBytes(): boolean {
    return !this.#settings.byteIds.includes(null);
  }

  /** Token ids of a piece, which must hold no lone surrogate. Not to be changed. */
  encode(piece: string): readonly number[] {
    const cached = this.#cache.get(piece);
    if (cached) return cached;
    const ids = this.#wholeToken(piece) ?? this.#merge(this.#symbols(piece));
    if (piece.length <= CACHED_LENGTH_MAX) {
      if (this.#cache.size >= NUM_CACHED_MAX) this.#cache.clear();
      this.#cache.set(piece, ids);
    }
    return ids;
  }

  #wholeToken(piece: string): readonly number[] | undefined {
    if (!this.#settings.ignoreMerges) return undefined;
    const token = this.#settings.isByteLevel
      ? Array.from(utf8.encode(piece), (byte) => byteToChar[byte]).join('')
      : piece;
    const id = this.#ids.get(token);
    return id === undefined ? undefined : [id];
  }

  /** The tokens of single bytes or characters, which merging begins with. */
  #symbols(piece: string): number[] {
    const { isByteLevel, byteIds, unknownId, fuseUnknown } = this.#settings;
    const symbols: number[] = [];
    let isAfterUnknown = false;
    const add = (id: number | null) => {
      if (id !== null) symbols.push(id);
      else if (unknownId !== null && !(isAfterUnknown && fuseUnknown)) symbols.push(unknownId);
      isAfterUnknown = id === null;
    };
    const idOf = (byte: number) => byteIds[byte] ?? null;
    if (isByteLevel) {
      for (const byte of utf8.encode(piece)) add(idOf(byte));
      return symbols;
    }
    for (const char of piece) {
      const id = this.#ids.get(char);
      const ids = id === undefined ? Array.from(utf8.encode(char), idOf) : [id];
      if (ids.includes(null)) add(null);
      else ids.forEach(add);
    }
    return symbols;
  }

  /** Merges neighbours, the lowest rank first, until no two can be. A symbol that went into its left neighbour becomes -1. */
  #merge(symbols: number[]): number[] {
    const merges = this.#merges;
    const numSymbols = symbols.length;
    const next = Int32Array.from(symbols, (_, i) => i + 1);
    const previous = Int32Array.from(symbols, (_, i) => i - 1);
    const queue = new MergeQueue();
    const consider = (position: number) => {
      const right = next[position] as number;
      if (right >= numSymbols) return;
      const row = merges.find(symbols[position] as number, symbols[right] as number);
      if (row >= 0) queue.push(merges.rankAt(row), position);
    };
    for (let i = 0; i < numSymbols; i++) consider(i);
    for (let first = queue.pop(); first; first = queue.pop()) {
      const { rank, position } = first;
      const right = next[position] as number;
      if (symbols[position] === -1 || right >= numSymbols) continue;
      const row = merges.find(symbols[position] as number, symbols[right] as number);
      // Either of the two has been merged since.
      if (row < 0 || merges.rankAt(row) !== rank) continue;
      symbols[position] = merges.resultAt(row);
      symbols[right] = -1;
      const after = next[right] as number;
      next[position] = after;
      if (after < numSymbols) previous[after] = position;
      consider(position);
      if ((previous[position] as number) >= 0) consider(previous[position] as number);
    }
    return symbols.filter((id) => id !== -1);
  }
}
