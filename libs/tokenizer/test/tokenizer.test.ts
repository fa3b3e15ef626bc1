// Encoding, decoding and the chat template of the shipped model, against the ids of its trainer.
import { describe, expect, test } from 'vitest';
import { Tokenizer, TokenizerError } from '../src/index.js';
import { goldenRows, multilingual, tiny, tinyFiles } from './tiny.js';

const utf8 = new TextEncoder();

describe('encode and decode', () => {
  test.each(goldenRows)('give the golden ids of $text', ({ text, ids }) => {
    expect(tiny.encode(text)).toEqual(ids);
  });

  test.each(multilingual)("are each other's inverse for %j", (text) => {
    const ids = tiny.encode(text);
    expect(tiny.decode(ids)).toBe(text);
    expect(Buffer.concat(ids.map((id) => tiny.tokenBytes(id)))).toEqual(Buffer.from(utf8.encode(text)));
  });

  test('leave special tokens out of decoded text, but not the tool marks', () => {
    expect(tiny.decode(tiny.encode('<|im_start|>a<tool_call>b</tool_call><|im_end|>'))).toBe(
      'a<tool_call>b</tool_call>',
    );
  });

  test('join a character around a special token', () => {
    const [first, ...rest] = tiny
      .encode('🦊')
      .flatMap((id) => [...tiny.tokenBytes(id)])
      .map(byteToken);
    expect(tiny.decode([first as number, 2, ...rest])).toBe('🦊');
  });

  test('replace invalid UTF-8', () => {
    expect(tiny.decode([byteToken(0xf0), byteToken(0x9f)])).toBe('\uFFFD');
    expect(tiny.decode([byteToken(0xff), byteToken(0x41)])).toBe('\uFFFDA');
  });

  test('read special tokens as text when asked to', () => {
    const text = 'a<|im_end|>b';
    expect(tiny.encode(text)).toContain(2);
    const plain = tiny.encode(text, { parseSpecial: false });
    expect(plain.some((id) => tiny.isSpecial(id))).toBe(false);
    expect(tiny.decode(plain)).toBe(text);
  });

  test('take empty text and lone surrogates', () => {
    expect(tiny.encode('')).toEqual([]);
    expect(tiny.decode([])).toBe('');
    expect(tiny.decode(tiny.encode('a\ud83eb'))).toBe('a\uFFFDb');
  });
});

describe('the table of tokens', () => {
  test('knows every id and its kind', () => {
    expect(tiny.vocabSize).toBe(2048);
    expect([0, 1, 2, 3, 4, 5].map((id) => tiny.isSpecial(id))).toEqual([true, true, true, false, false, false]);
    expect(tiny.addedTokenId('<|im_end|>')).toBe(2);
    expect(tiny.addedTokenId('fox')).toBeUndefined();
    expect(new TextDecoder().decode(tiny.tokenBytes(1))).toBe('<|im_start|>');
  });

  test('gives no bytes for ids outside of it', () => {
    for (const id of [-1, 2048, 1.5e9, Number.NaN]) expect(tiny.tokenBytes(id)).toHaveLength(0);
  });

  test.each(multilingual)('bounds the number of tokens of %j from below', (text) => {
    expect(tiny.numTokensMin(text)).toBeLessThanOrEqual(tiny.encode(text).length);
    expect(tiny.numTokensMin(text.repeat(100_000))).toBeGreaterThan(10_000);
  });
});

describe('the chat template', () => {
  const question = { role: 'user', content: 'Tell me a story about a brave fox.' };

  test('renders what the model was trained on', () => {
    const row = goldenRows[0];
    expect(tiny.renderChat([question])).toBe(row?.text);
    expect(tiny.encodeChat([question])).toEqual(row?.ids);
  });

  test('takes system, history and the missing generation prompt', () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, question, { role: 'assistant', content: 'Once.' }];
    expect(tiny.renderChat(messages, { addGenerationPrompt: false })).toBe(
      '<|im_start|>system\nBe brief.<|im_end|>\n' +
        '<|im_start|>user\nTell me a story about a brave fox.<|im_end|>\n' +
        '<|im_start|>assistant\nOnce.<|im_end|>\n',
    );
  });

  test('takes tools', () => {
    const rendered = tiny.renderChat([question], { tools: [{ name: 'weather' }] });
    expect(rendered).toContain('You may call these tools:\n{"name": "weather"}<|im_end|>');
  });

  test('does not run a template that stands in a message', () => {
    expect(tiny.renderChat([{ role: 'user', content: '{{ 1 + 1 }}{% raw %}' }])).toContain('{{ 1 + 1 }}{% raw %}');
  });

  test('tells what it refuses', () => {
    const { tokenizer, config } = tinyFiles();
    const make = (chatTemplate: string) => Tokenizer.of({ tokenizer, config, chatTemplate });
    const without = Tokenizer.of({ tokenizer, config: {} });
    expect(() => make("{{ raise_exception('roles must alternate') }}").renderChat([question])).toThrow(
      /roles must alternate/,
    );
    expect(() => make('{% if %}').renderChat([question])).toThrow(TokenizerError);
    expect(() => without.renderChat([question])).toThrow(/no chat template/);
  });

  test('may be one of several with names', () => {
    const { tokenizer } = tinyFiles();
    const chat_template = [
      { name: 'tool_use', template: 'no' },
      { name: 'default', template: '{{ eos_token }}' },
    ];
    const config = { chat_template, eos_token: { content: '<|im_end|>' } };
    expect(Tokenizer.of({ tokenizer, config }).renderChat([question])).toBe('<|im_end|>');
  });
});

describe('files that are refused', () => {
  const { tokenizer, config } = tinyFiles();
  const model = tokenizer.model as Record<string, unknown>;
  const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers });
  test.each<[string, unknown]>([
    ['tokenizer.json', null],
    ['tokenizer.json:model.type', { ...tokenizer, model: { ...model, type: 'Unigram' } }],
    ['tokenizer.json:decoder.type', { ...tokenizer, decoder: { type: 'Metaspace' } }],
    ['tokenizer.json:model.vocab', { ...tokenizer, model: { ...model, vocab: 'a' } }],
    ['tokenizer.json:model.vocab.a', { ...tokenizer, model: { ...model, vocab: { a: 2 ** 31 } } }],
    ['tokenizer.json:model.vocab.天', { ...tokenizer, model: { ...model, vocab: { 天: 7 } } }],
    ['tokenizer.json:added_tokens.0', { ...tokenizer, added_tokens: [{ content: 'x' }] }],
    ['tokenizer.json:model.vocab.1', { ...tokenizer, model: { ...model, vocab: ['a', 7] } }],
    ['tokenizer.json:model.merges', { ...tokenizer, model: { ...model, merges: undefined } }],
    ['tokenizer.json:model.merges.0', { ...tokenizer, model: { ...model, merges: ['a'] } }],
    ['tokenizer.json:model.merges.0', { ...tokenizer, model: { ...model, merges: ['a b c'] } }],
    ['tokenizer.json:model.merges.0', { ...tokenizer, model: { ...model, merges: [['a', '天']] } }],
    ['tokenizer.json:model.dropout', { ...tokenizer, model: { ...model, dropout: 0.1 } }],
    ['tokenizer.json:model.end_of_word_suffix', { ...tokenizer, model: { ...model, end_of_word_suffix: '</w>' } }],
    [
      'tokenizer.json:model.unk_token',
      { ...tokenizer, model: { ...model, vocab: { a: 0 }, merges: [], unk_token: 'b' } },
    ],
    ['tokenizer.json:normalizer.type', { ...tokenizer, normalizer: { type: 'Precompiled' } }],
    ['tokenizer.json:normalizer.pattern', { ...tokenizer, normalizer: { type: 'Replace', pattern: ' ', content: '' } }],
    ['tokenizer.json:pre_tokenizer.type', { ...tokenizer, pre_tokenizer: { type: 'constructor' } }],
    [
      'tokenizer.json:pre_tokenizer',
      { ...tokenizer, pre_tokenizer: sequence({ type: 'ByteLevel' }, { type: 'Digits' }) },
    ],
    [
      'tokenizer.json:pre_tokenizer.pattern',
      { ...tokenizer, pre_tokenizer: { type: 'Split', pattern: { Regex: '[' } } },
    ],
    [
      'tokenizer.json:pre_tokenizer.pretokenizers.0.behavior',
      {
        ...tokenizer,
        pre_tokenizer: sequence({ type: 'Split', pattern: { String: ' ' }, behavior: 'MergedWithNext' }),
      },
    ],
    [
      'tokenizer.json:pre_tokenizer.replacement',
      { ...tokenizer, pre_tokenizer: { type: 'Metaspace', replacement: '' } },
    ],
    ['tokenizer.json:post_processor.type', { ...tokenizer, post_processor: { type: 'BertProcessing' } }],
    [
      'tokenizer.json:post_processor.single',
      { ...tokenizer, post_processor: { type: 'TemplateProcessing', single: [] } },
    ],
    [
      'tokenizer.json:post_processor.single.0',
      {
        ...tokenizer,
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: 'x' } }, { Sequence: { id: 'A' } }],
        },
      },
    ],
    [
      'tokenizer.json:post_processor',
      {
        ...tokenizer,
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ Sequence: { id: 'A' } }, { SpecialToken: { id: 'x' } }],
          special_tokens: { x: { id: 'x', ids: [99_999], tokens: ['x'] } },
        },
      },
    ],
    [
      'tokenizer.json:decoder.decoders.0',
      {
        ...tokenizer,
        decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '' }, content: 'x' }] },
      },
    ],
    [
      'tokenizer.json:decoder.decoders.1.type',
      { ...tokenizer, decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteFallback' }] } },
    ],
  ])('%s', (field, files) => {
    try {
      Tokenizer.of({ tokenizer: files, config });
    } catch (error) {
      expect(error).toBeInstanceOf(TokenizerError);
      expect((error as TokenizerError).field).toBe(field);
      return;
    }
    throw new Error('nothing was refused');
  });
});

/** The token that is this byte alone: byte-level vocabularies have one for each. */
function byteToken(byte: number): number {
  for (let id = 0; id < tiny.vocabSize; id++) {
    const bytes = tiny.tokenBytes(id);
    if (bytes.length === 1 && bytes[0] === byte) return id;
  }
  throw new Error(`no token for byte ${byte}`);
}
