// Byte-pair encoding of one piece of text. Called by Encoder for each piece that the pre-tokenizer cuts.
// Source: https://github.com/huggingface/tokenizers, tokenizers/src/models/bpe (model.rs, word.rs), whose ids these have to be.
import { byteToChar } from './byte-level.js';
import { TokenizerError } from './error.js';
import { MergeQueue } from './merge-queue.js';
import { type MergeTable, mergesByScore, readMerges } from './merge-table.js';
import type { Vocabulary } from './vocabulary.js';

/** Longer pieces are rare and hardly come again. */
const CACHED_LENGTH_MAX = 256;
const NUM_CACHED_MAX = 20_000;

const utf8 = new TextEncoder();

export interface BpeSettings {
  vocabulary: Vocabulary;
  /** Whether pieces are bytes, written in the byte-level alphabet. */
  isByteLevel: boolean;
}

/** A BPE model. */
export class Bpe {
  readonly #ids: ReadonlyMap<string, number>;
  readonly #merges: MergeTable;
  readonly #isByteLevel: boolean;
  /** byteIds[byte]: its token where the model sees bytes, or falls back to them; undefined where there is none. */
  readonly #byteIds: readonly (number | undefined)[];
  readonly #unknownId: number | undefined;
  readonly #fuseUnknown: boolean;
  readonly #ignoreMerges: boolean;
  readonly #cache = new Map<string, readonly number[]>();

  /** @param model `model` of a tokenizer.json. @throws TokenizerError naming what is not supported. */
  constructor(model: Record<string, unknown>, { vocabulary, isByteLevel }: BpeSettings) {
    refuse(model, 'dropout');
    refuse(model, 'continuing_subword_prefix');
    refuse(model, 'end_of_word_suffix');
    this.#ids = vocabulary.ids;
    this.#merges = Array.isArray(model.scores)
      ? mergesByScore(model.scores, vocabulary)
      : readMerges(model.merges, vocabulary);
    this.#isByteLevel = isByteLevel;
    this.#byteIds = makeByteIds(vocabulary, isByteLevel, model.byte_fallback === true);
    this.#unknownId = this.coversAllBytes ? undefined : unknownIdOf(model.unk_token, vocabulary);
    this.#fuseUnknown = model.fuse_unk === true;
    this.#ignoreMerges = model.ignore_merges === true;
  }

  /** Whether every text has tokens, so that none of it is lost. */
  get coversAllBytes(): boolean {
    return !this.#byteIds.includes(undefined);
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
    if (!this.#ignoreMerges) return undefined;
    const token = this.#isByteLevel ? Array.from(utf8.encode(piece), (byte) => byteToChar[byte]).join('') : piece;
    const id = this.#ids.get(token);
    return id === undefined ? undefined : [id];
  }

  /** The tokens of single bytes or characters, which merging begins with. */
  #symbols(piece: string): number[] {
    const symbols: number[] = [];
    let isAfterUnknown = false;
    const add = (id: number | undefined) => {
      if (id !== undefined) symbols.push(id);
      else if (this.#unknownId !== undefined && !(isAfterUnknown && this.#fuseUnknown)) symbols.push(this.#unknownId);
      isAfterUnknown = id === undefined;
    };
    if (this.#isByteLevel) {
      for (const byte of utf8.encode(piece)) add(this.#byteIds[byte]);
      return symbols;
    }
    for (const char of piece) {
      const id = this.#ids.get(char);
      const bytes = id === undefined ? Array.from(utf8.encode(char), (byte) => this.#byteIds[byte]) : [id];
      if (bytes.includes(undefined)) add(undefined);
      else bytes.forEach(add);
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
      const slot = merges.find(symbols[position] as number, symbols[right] as number);
      if (slot >= 0) queue.push(merges.rankAt(slot), position);
    };
    for (let i = 0; i < numSymbols; i++) consider(i);
    for (let first = queue.pop(); first; first = queue.pop()) {
      const { rank, position } = first;
      const right = next[position] as number;
      if (symbols[position] === -1 || right >= numSymbols) continue;
      const slot = merges.find(symbols[position] as number, symbols[right] as number);
      // Either of the two has been merged since.
      if (slot < 0 || merges.rankAt(slot) !== rank) continue;
      symbols[position] = merges.resultAt(slot);
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

/** Fields that change the ids and that no supported model sets. */
function refuse(model: Record<string, unknown>, name: string): void {
  const value = model[name];
  if (value === undefined || value === null || value === '' || value === 0) return;
  throw new TokenizerError(`tokenizer.json:model.${name}`, `is ${JSON.stringify(value)}, supported is null`);
}

function makeByteIds(vocabulary: Vocabulary, isByteLevel: boolean, byteFallback: boolean): (number | undefined)[] {
  return Array.from(byteToChar, (char, byte) => {
    if (isByteLevel) return vocabulary.ids.get(char);
    return byteFallback ? vocabulary.ids.get(byteToken(byte)) : undefined;
  });
}

/** SentencePiece's name of a byte, such as "<0x0A>". */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function unknownIdOf(token: unknown, vocabulary: Vocabulary): number | undefined {
  if (token === undefined || token === null) return undefined;
  const id = typeof token === 'string' ? vocabulary.ids.get(token) : undefined;
  if (id !== undefined) return id;
  throw new TokenizerError(
    'tokenizer.json:model.unk_token',
    `is ${JSON.stringify(token)}, which is not in the vocabulary`,
  );
}
