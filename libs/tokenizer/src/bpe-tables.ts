// Reads the `model` of a tokenizer.json: what Bpe needs, as settings and flat tables. Called by read-tables.ts.
import { byteToChar } from './byte-level.js';
import { TokenizerError } from './error.js';
import { mergesByScore, readMerges } from './merge-rows.js';
import { MergeTable } from './merge-table.js';
import { type BpeSettings, longestOf, type Merges, type Texts } from './tables.js';
import { TextIndex } from './text-index.js';
import type { Vocabulary } from './vocabulary.js';

export interface BpeTables {
  settings: BpeSettings;
  texts: Texts;
  merges: Merges;
}

export interface BpeOptions {
  vocabulary: Vocabulary;
  /** Whether pieces are bytes, written in the byte-level alphabet. */
  isByteLevel: boolean;
}

const HAS_SURROGATE = /\p{Surrogate}/u;

/** @throws TokenizerError naming what is not supported. */
export function readBpe(model: Record<string, unknown>, { vocabulary, isByteLevel }: BpeOptions): BpeTables {
  refuse(model, 'dropout');
  refuse(model, 'continuing_subword_prefix');
  refuse(model, 'end_of_word_suffix');
  const rows = Array.isArray(model.scores)
    ? mergesByScore(model.scores, vocabulary)
    : readMerges(model.merges, vocabulary);
  const byteIds = makeByteIds(vocabulary, isByteLevel, model.byte_fallback === true);
  const texts = flatTexts(vocabulary);
  const settings = {
    isByteLevel,
    byteIds,
    unknownId: byteIds.includes(null) ? unknownIdOf(model.unk_token, vocabulary) : null,
    fuseUnknown: model.fuse_unk === true,
    ignoreMerges: model.ignore_merges === true,
    textBytesMax: longestOf(texts),
  };
  return { settings, texts, merges: MergeTable.index(rows) };
}

/** Fields that change the ids and that no supported model sets. */
function refuse(model: Record<string, unknown>, name: string): void {
  const value = model[name];
  if (value === undefined || value === null || value === '' || value === 0) return;
  throw new TokenizerError(`tokenizer.json:model.${name}`, `is ${JSON.stringify(value)}, supported is null`);
}

function makeByteIds({ ids }: Vocabulary, isByteLevel: boolean, byteFallback: boolean): (number | null)[] {
  return Array.from(byteToChar, (char, byte) => {
    const token = isByteLevel ? char : byteFallback ? byteToken(byte) : undefined;
    return (token === undefined ? undefined : ids.get(token)) ?? null;
  });
}

/** SentencePiece's name of a byte, such as "<0x0A>". */
function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function unknownIdOf(token: unknown, vocabulary: Vocabulary): number | null {
  if (token === undefined || token === null) return null;
  const id = typeof token === 'string' ? vocabulary.ids.get(token) : undefined;
  if (id !== undefined) return id;
  throw new TokenizerError(
    'tokenizer.json:model.unk_token',
    `is ${JSON.stringify(token)}, which is not in the vocabulary`,
  );
}

/** Without texts that have lone surrogates: they are no UTF-8, and no piece is one of them. */
function flatTexts({ ids }: Vocabulary): Texts {
  const entries = [...ids].filter(([text]) => !HAS_SURROGATE.test(text));
  const bytes = new TextEncoder().encode(entries.map(([text]) => text).join(''));
  const ends = new Uint32Array(entries.length);
  let end = 0;
  for (const [i, [text]] of entries.entries()) ends[i] = end += utf8Bytes(text);
  return TextIndex.index(
    { bytes, ends },
    Uint32Array.from(entries, ([, id]) => id),
  );
}

/** Bytes of a text without lone surrogates in UTF-8: a pair of surrogates has four. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x80) bytes += 1;
    else if (code < 0x800 || (code >= 0xd800 && code < 0xe000)) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}
