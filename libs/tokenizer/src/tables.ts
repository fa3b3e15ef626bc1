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
}

/** Byte strings one after the other: number i is [ends[i - 1], ends[i]). */
export interface ByteStrings {
  bytes: Uint8Array;
  ends: Uint32Array;
}

export interface TokenizerTables {
  settings: TokenizerSettings;
  /** The model's vocabulary: UTF-8 of the texts, and the id of each. */
  texts: ByteStrings;
  textIds: Uint32Array;
  /** [merges, 4]: left, right, rank and result. */
  merges: Uint32Array;
  /** What each id stands for; none for an id that is left out. */
  tokens: ByteStrings;
}

/** Tables as a program keeps them: settings through JSON, the rest as bytes, numbers little-endian. */
export interface FlatTables {
  settings: unknown;
  arrays: Uint8Array[];
}

export function flattenTables({ settings, texts, textIds, merges, tokens }: TokenizerTables): FlatTables {
  const arrays = [texts.bytes, texts.ends, textIds, merges, tokens.bytes, tokens.ends];
  return {
    settings,
    arrays: arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)),
  };
}

/** @param flat Of flattenTables, from a place that keeps it whole; each array on a boundary of 4 bytes. */
export function unflattenTables({ settings, arrays }: FlatTables): TokenizerTables {
  const bytes = (i: number) => arrays[i] ?? new Uint8Array();
  const numbers = (i: number) => new Uint32Array(bytes(i).buffer, bytes(i).byteOffset, bytes(i).byteLength / 4);
  return {
    settings: settings as TokenizerSettings,
    texts: { bytes: bytes(0), ends: numbers(1) },
    textIds: numbers(2),
    merges: numbers(3),
    tokens: { bytes: bytes(4), ends: numbers(5) },
  };
}
