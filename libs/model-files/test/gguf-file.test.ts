// Opening a GGUF file from disk: found, read, given a tokenizer, or refused by name.
// fixtures/qwen2-header.gguf is the header of a Qwen2 of 3 layers with a byte-level tokenizer of 259 tokens; its tensors are
// left out, so a test writes it to a file that is then made as long as the tensors need.
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelError } from '@switchyard/model';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openModel, readModel } from '../src/index.js';

const HEADER = new URL('fixtures/qwen2-header.gguf', import.meta.url);
const FILE_BYTES = 796_512;

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'switchyard-gguf-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** The file, with a text of its header replaced by one of equal length. */
async function write(from = '', to = ''): Promise<string> {
  const header = await readFile(HEADER);
  if (from !== '') header.write(to, header.indexOf(from));
  const path = join(dir, 'small.gguf');
  await writeFile(path, header);
  await truncate(path, FILE_BYTES);
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
  expect(tokenizer.decode(tokenizer.encode('ab🙂é 12'))).toBe('ab🙂é 12');
  expect(tokenizer.renderChat([{ role: 'user', content: 'Hi' }])).toBe('<|im_start|>Hi<|im_end|>');
});

test('with another header has another digest', async () => {
  const first = (await readModel(await write())).weights.digest;
  expect((await readModel(await write('bos_token }}', 'eos_token }}'))).weights.digest).not.toBe(first);
});

test.each<[string, string, string, RegExp]>([
  ['a tokenizer of another kind', 'gpt2', 'bert', /small\.gguf:tokenizer\.ggml\.model: is bert, supported is gpt2/],
  [
    'a splitting that nobody knows',
    'smollm',
    'tekken',
    /small\.gguf:tokenizer\.ggml\.pre: is tekken, supported is one/,
  ],
  ['no merges', 'ggml.merges', 'ggml.margin', /small\.gguf:tokenizer\.ggml\.merges: is missing/],
])('with %s is refused when the tokenizer is made', async (_, from, to, message) => {
  const model = await readModel(await write(from, to));
  expect(() => model.tokenizer).toThrow(message);
});

test('is opened for the executor; missing or cut it is refused', async () => {
  await expect(openModel(join(dir, 'none.gguf'))).rejects.toThrow(/^none\.gguf: is missing/);
  const path = await write();
  expect((await openModel(path)).executorSpec).toMatchObject({ attention: 'gqa', numExperts: 0, hasQkvBias: true });
  for (const bytes of [FILE_BYTES - 1, 4000, 10, 0]) {
    await truncate(path, bytes);
    await expect(readModel(path)).rejects.toThrow(ModelError);
    await expect(readModel(path)).rejects.toThrow(/truncated/);
  }
});
