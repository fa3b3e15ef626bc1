// The decoder of a tokenizer.json: the bytes that a token stands for. Used by TokenTable when it is made.
// Only decoders are supported under which the bytes of a token do not depend on its neighbours, but for the one space that SentencePiece
// puts before a text: a stream needs the bytes of single tokens.
import { charCodeToByte } from './byte-level.js';
import { TokenizerError } from './error.js';
import { isObject, optionalArray, requireText, typeOf } from './json.js';

/** How tokens are written. */
export interface TokenSpelling {
  /**
   * Writes the bytes of a token of the model's vocabulary to the beginning of a place that has three for each of its UTF-16 units.
   *
   * @returns Number of bytes.
   * @throws TokenizerError for a token that is not written so.
   */
  write(token: string, place: Uint8Array): number;
  /** The same for an added token, which stands as text. */
  writeAdded(text: string, place: Uint8Array): number;
  /** Whether a whole text loses a space at its start, which encoding put there. */
  stripsSpace: boolean;
}

const utf8 = new TextEncoder();

const writeText = (text: string, place: Uint8Array) => utf8.encodeInto(text, place).written;

const byteLevel: TokenSpelling = {
  write(token, place) {
    for (let i = 0; i < token.length; i++) {
      const byte = charCodeToByte(token.charCodeAt(i));
      if (byte < 0)
        throw new TokenizerError(`tokenizer.json:model.vocab.${token}`, 'is not written in the byte-level alphabet');
      place[i] = byte;
    }
    return token.length;
  },
  writeAdded: writeText,
  stripsSpace: false,
};

const BYTE_TOKEN = /^<0x([0-9A-Fa-f]{2})>$/;

/** @param json The `decoder` of a tokenizer.json. @throws TokenizerError naming what is not supported. */
export function readTokenSpelling(json: unknown): TokenSpelling {
  const field = 'tokenizer.json:decoder';
  const isSequence = typeOf(json) === 'Sequence' && isObject(json);
  const steps = isSequence ? optionalArray(json.decoders, `${field}.decoders`) : [json];
  if (steps.length === 1 && typeOf(steps[0]) === 'ByteLevel') return byteLevel;
  if (isSequence) return readSentencePiece(steps, `${field}.decoders`);
  throw new TokenizerError(`${field}.type`, `is ${typeOf(json)}, supported is ByteLevel or a Sequence`);
}

/** Replace, ByteFallback, Fuse and Strip in this order, as SentencePiece's models have them; each may be missing. */
function readSentencePiece(steps: readonly unknown[], field: string): TokenSpelling {
  const rest = steps.map((step, i) => ({ step, field: `${field}.${i}` }));
  const take = (type: string) => (typeOf(rest[0]?.step) === type ? rest.shift() : undefined);
  const replace = take('Replace');
  const hasBytes = take('ByteFallback') !== undefined;
  const isFused = take('Fuse') !== undefined;
  const strip = isFused ? take('Strip') : undefined;
  if (rest[0]) {
    const expected = 'ByteLevel, or Replace, ByteFallback, Fuse, Strip in this order';
    throw new TokenizerError(`${rest[0].field}.type`, `is ${typeOf(rest[0].step)}, supported is ${expected}`);
  }
  const textOf = replace
    ? readReplace(replace.step as Record<string, unknown>, replace.field)
    : (token: string) => token;
  const write = (token: string, place: Uint8Array) => {
    const byte = hasBytes ? BYTE_TOKEN.exec(token)?.[1] : undefined;
    if (byte === undefined) return writeText(textOf(token), place);
    place[0] = Number.parseInt(byte, 16);
    return 1;
  };
  const stripsSpace = strip ? readStrip(strip.step as Record<string, unknown>, strip.field) : false;
  return { write, writeAdded: write, stripsSpace };
}

/** Only from a text to at most one character, so that nothing becomes longer and a token's place holds its bytes. */
function readReplace(json: Record<string, unknown>, field: string): (token: string) => string {
  const from = isObject(json.pattern) ? json.pattern.String : undefined;
  const content = requireText(json.content, `${field}.content`);
  if (typeof from !== 'string' || from === '' || content.length > 1) {
    throw new TokenizerError(field, 'must replace a text by at most one character');
  }
  return (token) => token.replaceAll(from, content);
}

/** Whether it takes a space away; nothing else is supported. */
function readStrip(json: Record<string, unknown>, field: string): boolean {
  const { content, start, stop } = json;
  if (content === ' ' && (start === 0 || start === 1) && stop === 0) return start === 1;
  throw new TokenizerError(field, 'must take at most one space, and that from the start');
}
