// The pre-tokenizer of a tokenizer.json: cuts a text into the pieces that BPE never merges across. Called by Encoder.
// Source of each: https://github.com/huggingface/tokenizers, tokenizers/src/pre_tokenizers.
import { TokenizerError } from './error.js';
import { isObject, optionalArray, requireText, unsupportedType } from './json.js';
import { makePattern, regexPattern } from './pattern.js';

/** Cuts one piece into smaller ones, none of them empty. isStart: the piece begins the whole text. */
type Cut = (piece: string, isStart: boolean) => string[];

export interface PreTokenizer {
  cut: Cut;
  /** Whether the model sees bytes, written in the byte-level alphabet, and not characters. The cut leaves the writing to the model. */
  isByteLevel: boolean;
  /** Whether the pieces hold the whole text. */
  keepsLength: boolean;
}

type Maker = (json: Record<string, unknown>, field: string) => PreTokenizer;

/** Source: openai/gpt-2, encoder.py. */
const GPT2_WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const makers: Readonly<Record<string, Maker>> = {
  Split(json, field) {
    const pattern = makePattern(json.pattern, `${field}.pattern`);
    return splitter(pattern, json.behavior, json.invert === true, field);
  },
  Digits(json, field) {
    const pattern = regexPattern(json.individual_digits === true ? '\\p{N}' : '\\p{N}+', field);
    return splitter(pattern, 'Isolated', false, field);
  },
  ByteLevel(json, field) {
    const words = json.use_regex === false ? null : splitter(regexPattern(GPT2_WORDS, field), 'Isolated', false, field);
    const addSpace = json.add_prefix_space !== false;
    return {
      cut(piece, isStart) {
        const text = addSpace && !piece.startsWith(' ') ? ` ${piece}` : piece;
        return words ? words.cut(text, isStart) : [text];
      },
      isByteLevel: true,
      keepsLength: true,
    };
  },
  Metaspace(json, field) {
    const mark = requireText(json.replacement, `${field}.replacement`);
    if (mark === '') throw new TokenizerError(`${field}.replacement`, 'must be a character');
    const scheme = prependScheme(json, field);
    const split = json.split !== false;
    return {
      cut(piece, isStart) {
        const text = piece.replaceAll(' ', mark);
        const addMark = (scheme === 'always' || (scheme === 'first' && isStart)) && !text.startsWith(mark);
        return cutBefore(addMark ? mark + text : text, split ? mark : null);
      },
      isByteLevel: false,
      keepsLength: true,
    };
  },
  Sequence(json, field) {
    const list = optionalArray(json.pretokenizers, `${field}.pretokenizers`);
    return sequence(
      list.map((step, i) => makeOne(step, `${field}.pretokenizers.${i}`)),
      field,
    );
  },
};

/** @param json The `pre_tokenizer` of a tokenizer.json. @throws TokenizerError naming what is not supported. */
export function makePreTokenizer(json: unknown): PreTokenizer {
  if (json === undefined || json === null) return sequence([], 'tokenizer.json:pre_tokenizer');
  return makeOne(json, 'tokenizer.json:pre_tokenizer');
}

function makeOne(json: unknown, field: string): PreTokenizer {
  const type = isObject(json) ? String(json.type) : '';
  const maker = Object.hasOwn(makers, type) ? makers[type] : undefined;
  if (!maker) throw unsupportedType(field, json, makers);
  return maker(json as Record<string, unknown>, field);
}

function sequence(steps: readonly PreTokenizer[], field: string): PreTokenizer {
  const byteLevelIdx = steps.findIndex((step) => step.isByteLevel);
  if (byteLevelIdx >= 0 && byteLevelIdx < steps.length - 1) {
    throw new TokenizerError(field, 'has steps after ByteLevel, supported is ByteLevel as the last one');
  }
  const cutAll: Cut = (piece, isStart) =>
    steps.reduce((pieces, step) => pieces.flatMap((part, i) => step.cut(part, isStart && i === 0)), [piece]);
  return { cut: cutAll, isByteLevel: byteLevelIdx >= 0, keepsLength: steps.every((step) => step.keepsLength) };
}

/** "Isolated" makes matches and what lies between them pieces, "Removed" drops the matches, or, inverted, what lies between. */
function splitter(pattern: RegExp, behavior: unknown, invert: boolean, field: string): PreTokenizer {
  if (behavior === 'Isolated') {
    const cut: Cut = (piece) => stretches(piece, pattern).map(({ text }) => text);
    return { cut, isByteLevel: false, keepsLength: true };
  }
  if (behavior !== 'Removed') {
    throw new TokenizerError(`${field}.behavior`, `is ${String(behavior)}, supported is Isolated, Removed`);
  }
  const cut: Cut = (piece) => {
    const kept = stretches(piece, pattern).filter(({ isMatch }) => isMatch === invert);
    return kept.map(({ text }) => text);
  };
  return { cut, isByteLevel: false, keepsLength: false };
}

/** The matches of a pattern and what lies between them, in order and without empty ones. */
function stretches(piece: string, pattern: RegExp): { text: string; isMatch: boolean }[] {
  const found: { text: string; isMatch: boolean }[] = [];
  let end = 0;
  for (const match of piece.matchAll(pattern)) {
    const text = match[0];
    if (text === '') continue;
    if (match.index > end) found.push({ text: piece.slice(end, match.index), isMatch: false });
    found.push({ text, isMatch: true });
    end = match.index + text.length;
  }
  if (end < piece.length) found.push({ text: piece.slice(end), isMatch: false });
  return found;
}

/** Cuts before every mark; a piece as a whole where mark is null. */
function cutBefore(text: string, mark: string | null): string[] {
  if (mark === null) return [text];
  const parts: string[] = [];
  let start = 0;
  for (let at = text.indexOf(mark, 1); at >= 0; at = text.indexOf(mark, at + 1)) {
    parts.push(text.slice(start, at));
    start = at;
  }
  return [...parts, text.slice(start)];
}

/** Older files say add_prefix_space, which is always or never. */
function prependScheme(json: Record<string, unknown>, field: string): string {
  const scheme = json.prepend_scheme ?? (json.add_prefix_space === false ? 'never' : 'always');
  if (scheme === 'always' || scheme === 'first' || scheme === 'never') return scheme;
  throw new TokenizerError(`${field}.prepend_scheme`, `is ${String(scheme)}, supported is always, first, never`);
}
