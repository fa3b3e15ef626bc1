// The normalizer of a tokenizer.json: what is changed in a text before it is cut. Called by Encoder for every stretch between added tokens.
// Source of each: https://github.com/huggingface/tokenizers, tokenizers/src/normalizers.
import { isObject, optionalArray, requireText, unsupportedType } from './json.js';
import { makePattern } from './pattern.js';

export interface Normalizer {
  apply(text: string): string;
  /** Whether no text becomes shorter, in UTF-16 units. */
  keepsLength: boolean;
}

type Maker = (json: Record<string, unknown>, field: string) => Normalizer;

const unicodeForm = (form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): Maker => {
  return () => ({ apply: (text) => text.normalize(form), keepsLength: false });
};

const makers: Readonly<Record<string, Maker>> = {
  NFC: unicodeForm('NFC'),
  NFD: unicodeForm('NFD'),
  NFKC: unicodeForm('NFKC'),
  NFKD: unicodeForm('NFKD'),
  Lowercase: () => ({ apply: (text) => text.toLowerCase(), keepsLength: false }),
  Prepend(json, field) {
    const prefix = requireText(json.prepend, `${field}.prepend`);
    return { apply: (text) => (text === '' ? '' : prefix + text), keepsLength: true };
  },
  Replace(json, field) {
    const pattern = makePattern(json.pattern, `${field}.pattern`);
    const content = requireText(json.content, `${field}.content`);
    const from = (json.pattern as { String?: unknown }).String;
    const keepsLength = typeof from === 'string' && from.length <= content.length;
    return { apply: (text) => text.replace(pattern, () => content), keepsLength };
  },
  Sequence(json, field) {
    const list = optionalArray(json.normalizers, `${field}.normalizers`);
    const steps = list.map((step, i) => makeOne(step, `${field}.normalizers.${i}`));
    return {
      apply: (text) => steps.reduce((changed, step) => step.apply(changed), text),
      keepsLength: steps.every((step) => step.keepsLength),
    };
  },
};

/** @param json The `normalizer` of a tokenizer.json. @throws TokenizerError naming what is not supported. */
export function makeNormalizer(json: unknown): Normalizer {
  if (json === undefined || json === null) return { apply: (text) => text, keepsLength: true };
  return makeOne(json, 'tokenizer.json:normalizer');
}

function makeOne(json: unknown, field: string): Normalizer {
  const type = isObject(json) ? String(json.type) : '';
  const maker = Object.hasOwn(makers, type) ? makers[type] : undefined;
  if (!maker) throw unsupportedType(field, json, makers);
  return maker(json as Record<string, unknown>, field);
}
