// Ids, texts and rendered chats against Hugging Face's Rust tokenizers and transformers, on multilingual text, emoji and code.
import { describe, expect, test } from 'vitest';
import { OutputState, Tokenizer } from '../src/index.js';
import { type GoldenChat, goldenNames, readGolden } from './goldens.js';

describe.each(goldenNames)('%s', (name) => {
  const { golden, files } = readGolden(name);
  const tokenizer = Tokenizer.of(files);

  test('encodes every text to the golden ids', () => {
    const ids = golden.texts.map(({ text }) => ({ text, ids: tokenizer.encode(text) }));
    expect(ids).toEqual(golden.texts.map((row) => ({ text: row.text, ids: row.ids })));
  });

  test('bounds the number of tokens from below', () => {
    for (const { text, ids } of golden.texts) expect(tokenizer.numTokensMin(text)).toBeLessThanOrEqual(ids.length);
  });

  test('puts around a text what the model wants there', () => {
    for (const { text, ids } of golden.with_bos) expect(tokenizer.encode(text, { addSpecial: true })).toEqual(ids);
  });

  test('decodes the ids to the golden text', () => {
    const texts = golden.texts.map(({ ids }) => tokenizer.decode(ids));
    expect(texts).toEqual(golden.texts.map((row) => row.text_clean ?? row.text_back ?? row.text));
  });

  test('has the bytes of random tokens', () => {
    for (const { ids, text } of golden.decoded) expect(decodeByRuns(tokenizer, files.tokenizer, ids)).toBe(text);
  });

  test('streams what it decodes; a space at the start stays, as an answer goes on with its prompt', () => {
    for (const { ids } of golden.texts.filter((row) => row.ids.length > 0)) {
      const text = streamOf(tokenizer, ids);
      const decoded = tokenizer.decode(ids);
      expect([decoded, ` ${decoded}`]).toContain(text);
      const bytes = ids.filter((id) => !tokenizer.isSpecial(id)).map((id) => tokenizer.tokenBytes(id));
      expect(text).toBe(Buffer.concat(bytes).toString());
    }
  });

  if (golden.chats) testChats(tokenizer, golden.chats);
});

function testChats(tokenizer: Tokenizer, chats: readonly GoldenChat[]): void {
  test.each(chats)(
    'renders chat %# as transformers does',
    ({ messages, tools, add_generation_prompt, text, error }) => {
      const options = { ...(tools && { tools }), addGenerationPrompt: add_generation_prompt };
      const render = () => tokenizer.renderChat(messages, options);
      if (error === undefined) expect(render()).toBe(text);
      else expect(render).toThrow(error);
    },
  );
}

function streamOf(tokenizer: Tokenizer, ids: readonly number[]): string {
  const options = { stopTokenIds: [], stopStrings: [], maxTokens: ids.length, contextLeft: ids.length };
  const state = new OutputState({ tokenizer, ...options });
  return ids.map((id) => state.push(id).text).join('');
}

/**
 * A text as the Rust tokenizers decode it, special tokens included: a run of byte tokens that is no valid UTF-8 becomes one U+FFFD a byte,
 * where a stream, which cannot wait for the run's end, keeps the characters in it.
 */
function decodeByRuns(tokenizer: Tokenizer, files: unknown, ids: readonly number[]): string {
  const { model, decoder } = files as { model: { vocab: Record<string, number> }; decoder: { type: string } };
  if (decoder.type === 'ByteLevel') return Buffer.concat(ids.map((id) => tokenizer.tokenBytes(id))).toString();
  const isByte = new Set(
    Object.keys(model.vocab)
      .filter((token) => /^<0x..>$/.test(token))
      .map((token) => model.vocab[token]),
  );
  const runs: number[][] = [];
  ids.forEach((id, i) => {
    if (isByte.has(id) && isByte.has(ids[i - 1])) runs.at(-1)?.push(id);
    else runs.push([id]);
  });
  const text = runs.map((run) => decodeRun(Buffer.concat(run.map((id) => tokenizer.tokenBytes(id))))).join('');
  return text.replace(/^ /, '');
}

function decodeRun(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return '\uFFFD'.repeat(bytes.length);
  }
}
