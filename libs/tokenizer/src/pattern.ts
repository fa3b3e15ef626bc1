// Patterns of a tokenizer.json as regular expressions of JavaScript. Used by normalizer.ts and pre-tokenizer.ts.
// They are written for Oniguruma; the Hugging Face package knows how the two differ (white space, classes within classes, letter case).
import * as huggingFace from '@huggingface/tokenizers';
import { TokenizerError } from './error.js';
import { isObject } from './json.js';

interface SplitPreTokenizer {
  pattern: RegExp | null;
}

// NOTE: the package exports it, but its types name files without an extension, which Node's resolution does not find.
const { SplitPreTokenizer } = huggingFace as unknown as {
  SplitPreTokenizer: new (config: object) => SplitPreTokenizer;
};

/** @param value {"String": text} or {"Regex": source}. @throws TokenizerError naming the field. */
export function makePattern(value: unknown, field: string): RegExp {
  if (isObject(value) && typeof value.String === 'string') return literalPattern(value.String);
  if (isObject(value) && typeof value.Regex === 'string') return regexPattern(value.Regex, field);
  throw new TokenizerError(field, 'must be {"String": text} or {"Regex": source}');
}

/** @throws TokenizerError naming the field for a source that cannot be translated. */
export function regexPattern(source: string, field: string): RegExp {
  try {
    const { pattern } = new SplitPreTokenizer({
      type: 'Split',
      pattern: { Regex: source },
      behavior: 'Isolated',
      invert: false,
    });
    if (pattern) return pattern;
  } catch (error) {
    throw new TokenizerError(field, `cannot be used (${(error as Error).message})`);
  }
  throw new TokenizerError(field, 'cannot be used');
}

function literalPattern(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'gu');
}
