// Opening a GGUF file from disk: found, read, given a tokenizer, or refused by name.
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelError } from '@switchyard/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ggufFile, type Value } from '../../model/test/gguf-file.js';
import { ggufModel } from '../../model/test/gguf-models.js';
import { openModel, readModel } from '../src/index.js';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'switchyard-gguf-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** Every byte in the byte-level alphabet of GPT-2, a merge, and marks. */
function tokenizerEntries(): Record<string, Value> {
  const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let next = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
  const tokens = [...bytes, 'ab', '<|im_start|>', '<|im_end|>'];
  return {
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': tokens.map((token) => (token.startsWith('<|') ? 3 : 1)),
    'tokenizer.ggml.merges': ['a b'],
    'tokenizer.ggml.bos_token_id': 257,
    'tokenizer.ggml.eos_token_id': 258,
    'tokenizer.ggml.add_bos_token': true,
    'tokenizer.chat_template': '{{ bos_token }}{{ messages[0].content }}{{ eos_token }}',
  };
}

async function write(change: Record<string, Value | undefined> = {}): Promise<string> {
  const { metadata, tensors } = ggufModel('qwen2', {
    'tokenizer.ggml.scores': undefined,
    ...tokenizerEntries(),
    ...change,
  });
  const { header, fileBytes } = ggufFile(metadata, tensors);
  const path = join(dir, 'small.gguf');
  await writeFile(path, header);
  await truncate(path, fileBytes);
  return path;
}

test('is read with all that services need', async () => {
  const path = await write();
  const model = await readModel(path);
  expect(model).toMatchObject({ name: 'small', dir: path, contextTokens: 512, warnings: [] });
  expect(model.spec).toMatchObject({ family: 'qwen2', eosTokenIds: [258] });
  expect(model.weights.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(model.weights.tensors.every((tensor) => tensor.file === path)).toBe(true);
  expect((await readModel(path, { name: 'other' })).name).toBe('other');
});

test('has the tokenizer that its file describes', async () => {
  const { tokenizer } = await readModel(await write());
  expect(tokenizer.encode('abba<|im_end|>')).toEqual([256, 98, 97, 258]);
  expect(tokenizer.encode('a', { addSpecial: true })).toEqual([257, 97]);
  expect(tokenizer.encode('ab🙂é 12', { parseSpecial: false }).length).toBeGreaterThan(6);
  expect(tokenizer.decode(tokenizer.encode('ab🙂é 12'))).toBe('ab🙂é 12');
  expect(tokenizer.renderChat([{ role: 'user', content: 'Hi' }])).toBe('<|im_start|>Hi<|im_end|>');
});

test('with another key has another digest', async () => {
  const first = (await readModel(await write())).weights.digest;
  expect((await readModel(await write({ 'qwen2.context_length': 256 }))).weights.digest).not.toBe(first);
});

test.each<[string, Record<string, Value | undefined>, RegExp]>([
  ['a tokenizer of another kind', { 'tokenizer.ggml.model': 'bert' }, /small\.gguf:tokenizer\.ggml\.model: is bert/],
  ['a splitting that nobody knows', { 'tokenizer.ggml.pre': 'x' }, /small\.gguf:tokenizer\.ggml\.pre: is x/],
  ['no merges', { 'tokenizer.ggml.merges': undefined }, /small\.gguf:tokenizer\.ggml\.merges: is missing/],
])('with %s is refused when the tokenizer is made', async (_, change, message) => {
  const model = await readModel(await write(change));
  expect(() => model.tokenizer).toThrow(message);
});

test('missing, cut or of a family that the executor cannot run is refused', async () => {
  await expect(openModel(join(dir, 'none.gguf'))).rejects.toThrow(/^none\.gguf: is missing/);
  const path = await write();
  await expect(openModel(path)).rejects.toThrow(/^qwen2:attention: .* cannot be run/);
  for (const bytes of [4000, 10, 0]) {
    await truncate(path, bytes);
    await expect(readModel(path)).rejects.toThrow(ModelError);
    await expect(readModel(path)).rejects.toThrow(/truncated/);
  }
});
