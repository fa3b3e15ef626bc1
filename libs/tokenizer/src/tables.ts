// What a tokenizer's files come to: a few settings and flat tables of numbers, in which nothing is left to be parsed, so that a program
// may keep them and make the tokenizer of them at once. Made by read-tables.ts; Tokenizer is made of nothing else.
import type { AddedToken } from './vocabulary.js';

/** Plain data, which is the same after a way through JSON. */
export interface TokenizerSettings {
  /** Parts of the tokenizer.json, as they stand there. */
  normalizer: unknown;
  preTokenizer: unknown;
  postProcessor: unknown;
  addedTokens: AddedToken[];
  bpe: BpeSettings;
  /** Length of the longest token. */
  tokenBytesMax: number;
  /** Whether a whole text has a space less at its start than its tokens. */
  stripsSpace: boolean;
  /** Text of bos_token, eos_token and their like, by these names. */
  specialTokens: Record<string, string>;
  chatTemplate: string | null;
}

export interface BpeSettings {
  /** Whether pieces are bytes, written in the byte-level alphabet. */
  isByteLevel: boolean;
  /** byteIds[byte]: its token where the model sees bytes, or falls back to them; null where there is none. */
  byteIds: (number | null)[];
  unknownId: number | null;
  fuseUnknown: boolean;
  /** A piece that is a token as a whole is not merged. */
  ignoreMerges: boolean;
  /** Length of the longest text of the vocabulary. */
  textBytesMax: number;
}

/** Byte strings one after the other: number i is [ends[i - 1], ends[i]). */
export interface ByteStrings {
  bytes: Uint8Array;
  ends: Uint32Array;
}

/** Length of the longest of them. */
export function longestOf({ ends }: ByteStrings): number {
  return ends.reduce((most, end, i) => Math.max(most, end - (ends[i - 1] ?? 0)), 0);
}

/**
 * Places of an open-addressing hash table: 1 more than the number of what lies there, 0 where nothing does. As many as a power of two, at
 * most half of them taken.
 */
type Slots = Uint32Array;

/** The model's vocabulary: UTF-8 of the texts, and the id of each. */
export interface Texts extends ByteStrings {
  ids: Uint32Array;
  /** By text (text-index.ts). */
  slots: Slots;
}

export interface Merges {
  /** [merges, 4]: left, right, rank and result. */
  rows: Uint32Array;
  /** By left and right (merge-table.ts). */
  slots: Slots;
}

export interface TokenizerTables {
  settings: TokenizerSettings;
  texts: Texts;
  merges: Merges;
  /** What each id stands for; none for an id that is left out. */
  tokens: ByteStrings;
}

/** Tables as a program keeps them: settings through JSON, the rest as bytes, numbers little-endian. */
export interface FlatTables {
  settings: unknown;
  arrays: Uint8Array[];
}

export function flattenTables({ settings, texts, merges, tokens }: TokenizerTables): FlatTables {
  const textArrays = [texts.bytes, texts.ends, texts.ids, texts.slots];
  const all = [...textArrays, merges.rows, merges.slots, tokens.bytes, tokens.ends];
  const arrays = all.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength));
  return { settings, arrays };
}

/** @param flat Of flattenTables, from a place that keeps it whole; each array on a boundary of 4 bytes. */
export function unflattenTables({ settings, arrays }: FlatTables): TokenizerTables {
  const bytes = (i: number) => arrays[i] ?? new Uint8Array();
  const numbers = (i: number) => new Uint32Array(bytes(i).buffer, bytes(i).byteOffset, bytes(i).byteLength / 4);
  return {
    settings: settings as TokenizerSettings,
    texts: { bytes: bytes(0), ends: numbers(1), ids: numbers(2), slots: numbers(3) },
    merges: { rows: numbers(4), slots: numbers(5) },
    tokens: { bytes: bytes(6), ends: numbers(7) },
  };
}
