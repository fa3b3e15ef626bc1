// Tokenizers of GGUF files against Hugging Face's Rust tokenizers and SentencePiece itself (tools/golden/gguf_splits.py).
import { readFileSync } from 'node:fs';
import type { GgufTokenizer, GgufTokenType } from '@switchyard/model';
import { Tokenizer } from '@switchyard/tokenizer';
import { describe, expect, test } from 'vitest';
import { splittings } from '../src/gguf-splitting.js';
import { tokenizerFilesOf } from '../src/gguf-tokenizer.js';

interface Golden {
  texts: string[];
  byte_level: { tokens: string[]; merges: string[]; ids: Record<string, number[][]> };
  sentencepiece: {
    tokens: string[];
    types: number[];
    scores: number[];
    add_space_prefix: boolean;
    ids: number[][];
    /** By index, of the texts that do not come back. */
    decoded: Record<number, string>;
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/models/gguf-tokenizers/golden.json', import.meta.url), 'utf8'),
) as Golden;

/** What a file says about its tokenizer; nothing where a test does not. */
function described(fields: Partial<GgufTokenizer>): GgufTokenizer {
  const tokens = fields.tokens ?? [];
  return {
    model: 'gpt2',
    pre: 'gpt-2',
    tokens,
    types: tokens.map(() => 'normal'),
    scores: null,
    merges: [],
    bosTokenId: null,
    eosTokenId: null,
    unknownTokenId: null,
    paddingTokenId: null,
    addBosToken: null,
    addEosToken: null,
    addSpacePrefix: null,
    chatTemplate: null,
    ...fields,
  };
}

function make(fields: Partial<GgufTokenizer>): Tokenizer {
  return Tokenizer.of(tokenizerFilesOf(described(fields), 'a.gguf'));
}

/** Names that stand for the same as one that has goldens. */
const synonyms: Record<string, string> = {
  'llama-v3': 'llama-bpe',
  llama3: 'llama-bpe',
  'deepseek-r1-qwen': 'qwen2',
  'chatglm-bpe': 'glm4',
};

describe.each(Object.keys(splittings))('texts cut as %s', (pre) => {
  const { tokens, merges, ids } = golden.byte_level;

  test('have the golden ids', () => {
    const tokenizer = make({ pre, tokens, merges });
    const expected = ids[synonyms[pre] ?? pre] ?? [];
    expect(golden.texts.map((text) => ({ text, ids: tokenizer.encode(text) }))).toEqual(
      golden.texts.map((text, i) => ({ text, ids: expected[i] })),
    );
  });
});

describe.each(golden.sentencepiece)('SentencePiece with add_space_prefix $add_space_prefix', (row) => {
  const names: GgufTokenType[] = ['normal', 'unknown', 'control', 'user-defined', 'unused', 'byte'];
  const { tokens, scores } = row;
  const types = row.types.map((type) => names[type - 1] as GgufTokenType);
  const fields = {
    model: 'llama',
    tokens,
    scores,
    types,
    merges: null,
    bosTokenId: 1,
    eosTokenId: 2,
    unknownTokenId: 0,
  };
  const tokenizer = make({ ...fields, addSpacePrefix: row.add_space_prefix });

  test('has the golden ids', () => {
    expect(golden.texts.map((text) => ({ text, ids: tokenizer.encode(text) }))).toEqual(
      golden.texts.map((text, i) => ({ text, ids: row.ids[i] })),
    );
  });

  test('decodes them to the texts', () => {
    expect(row.ids.map((ids) => tokenizer.decode(ids))).toEqual(golden.texts.map((text, i) => row.decoded[i] ?? text));
  });

  test('puts a space before a text and the begin-of-sequence token before all by default', () => {
    const byDefault = make(fields);
    expect(byDefault.encode('a', { addSpecial: true })).toEqual([1, ...byDefault.encode('a')]);
    expect(byDefault.encode('a')).toEqual(make({ ...fields, addSpacePrefix: true }).encode('a'));
    const bare = make({ ...fields, addBosToken: false, addEosToken: true });
    expect(bare.encode('a', { addSpecial: true })).toEqual([...bare.encode('a'), 2]);
  });

  test('finds control tokens in a text', () => {
    expect(tokenizer.encode('a</s>')).toEqual([...tokenizer.encode('a'), 2]);
  });
});

test('llama-bpe begins a text with the begin-of-sequence token where the file does not say, gpt-2 does not', () => {
  const tokens = ['<s>', 'a'];
  const fields: Partial<GgufTokenizer> = { tokens, types: ['control', 'normal'], bosTokenId: 0 };
  expect(make({ ...fields, pre: 'llama-bpe' }).encode('a', { addSpecial: true })).toEqual([0, 1]);
  expect(make({ ...fields, pre: 'gpt-2' }).encode('a', { addSpecial: true })).toEqual([1]);
  expect(make({ ...fields, pre: 'gpt-2', addBosToken: true }).encode('a', { addSpecial: true })).toEqual([0, 1]);
});

test.each<[string, Partial<GgufTokenizer>, RegExp]>([
  [
    'kind',
    { model: 'constructor' },
    /^a\.gguf:tokenizer\.ggml\.model: is constructor, supported is one of gpt2, llama$/,
  ],
  ['splitting', { pre: 'falcon' }, /^a\.gguf:tokenizer\.ggml\.pre: is falcon, supported is one of default, gpt-2, /],
  ['merges', { merges: null }, /^a\.gguf:tokenizer\.ggml\.merges: is missing$/],
  ['scores', { model: 'llama' }, /^a\.gguf:tokenizer\.ggml\.scores: is missing$/],
  ['score', { model: 'llama', tokens: ['a'], scores: [Number.NaN] }, /model\.scores\.0: is NaN, which is no score/],
  ['long token', { model: 'llama', tokens: ['a'.repeat(513)], scores: [0] }, /model\.vocab\.0: has 513 characters/],
])('an unusable %s is refused by name', (_, fields, message) => {
  expect(() => make(fields)).toThrow(message);
});
