// Opening GGUF files from disk: found, read, given a tokenizer, or refused by name. The files are those of tools/golden, which
// other tests run; here copies of them are changed in their headers.
import { copyFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError } from '@switchyard/model';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openModel, readModel } from '../src/index.js';

const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/models/', import.meta.url));
const WHOLE = join(FIXTURES, 'gguf/qwen2/model.gguf');
const SPLIT = join(FIXTURES, 'gguf/glm4moe');

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'switchyard-gguf-'));
});
afterEach(() => rm(dir, { recursive: true }));

/** A copy of the file, with a text of its header replaced by one of equal length. */
async function write(from = '', to = ''): Promise<string> {
  const bytes = await readFile(WHOLE);
  if (from !== '') bytes.write(to, bytes.indexOf(from));
  const path = join(dir, 'small.gguf');
  await writeFile(path, bytes);
  return path;
}

/** A text of less than 256 bytes as a value: type, length, bytes. */
const text = (value: string) => `\x08\0\0\0${String.fromCharCode(value.length)}${'\0'.repeat(7)}${value}`;

test('is read with all that services need', async () => {
  const path = await write();
  const model = await readModel(path);
  expect(model).toMatchObject({ name: 'small', dir: path, contextTokens: 512, warnings: [] });
  expect(model.spec).toMatchObject({ family: 'qwen2', eosTokenIds: [expect.any(Number)] });
  expect(model.weights.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(model.weights.tensors.every((tensor) => tensor.file === path)).toBe(true);
  expect((await readModel(path, { name: 'other' })).name).toBe('other');
});

test('has the tokenizer that its file describes', async () => {
  const golden = JSON.parse(await readFile(join(FIXTURES, 'tokenizers/qwen2/golden.json'), 'utf8'));
  const { tokenizer } = await readModel(WHOLE);
  for (const { text, ids } of golden.texts) expect(tokenizer.encode(text), text).toEqual(ids);
  expect(tokenizer.renderChat([{ role: 'user', content: 'Hi' }])).toContain('<|im_start|>user\nHi<|im_end|>');
});

test('with another header has another digest', async () => {
  const first = (await readModel(await write())).weights.digest;
  expect((await readModel(await write('general.name', 'general.game'))).weights.digest).not.toBe(first);
});

test.each<[string, string, string, RegExp]>([
  [
    'a tokenizer of another kind',
    'gpt2',
    'bert',
    /small\.gguf:tokenizer\.ggml\.model: is bert, supported is one of gpt2, llama/,
  ],
  [
    'a splitting that nobody knows',
    `ggml.pre${text('qwen2')}`,
    `ggml.pre${text('qwen9')}`,
    /small\.gguf:tokenizer\.ggml\.pre: is qwen9, supported is one/,
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
  const fileBytes = (await readFile(path)).byteLength;
  for (const bytes of [fileBytes - 1, 4000, 10, 0]) {
    await truncate(path, bytes);
    await expect(readModel(path)).rejects.toThrow(ModelError);
    await expect(readModel(path)).rejects.toThrow(/truncated/);
  }
});

describe('a model in several files', () => {
  const part = (idx: number) => join(dir, `model-0000${idx + 1}-of-00003.gguf`);
  beforeEach(async () => {
    const files = (await readdir(SPLIT)).filter((file) => file.endsWith('.gguf'));
    for (const file of files) await copyFile(join(SPLIT, file), join(dir, file));
  });

  test('is opened by its first', async () => {
    const model = await openModel(part(0));
    expect(model).toMatchObject({ name: 'model', dir: part(0), warnings: [] });
    expect(new Set(model.weights.tensors.map(({ file }) => file))).toEqual(new Set([part(0), part(1), part(2)]));
  });

  test('has another digest when any of them has another header', async () => {
    const { digest } = (await openModel(part(0))).weights;
    const bytes = await readFile(part(2));
    const key = 'split.tensors.count';
    // Behind the name lies the type; the number counts in the first file only.
    bytes.writeUInt32LE(7, bytes.indexOf(key) + key.length + 4);
    await writeFile(part(2), bytes);
    expect((await openModel(part(0))).weights.digest).not.toBe(digest);
  });

  test('is refused by a later one, without one, or with one of another model', async () => {
    await expect(openModel(part(1))).rejects.toThrow(/split\.no: is 1: open .* model-00001-of-00003\.gguf/);
    await copyFile(part(1), part(2));
    await expect(openModel(part(0))).rejects.toThrow(/^model-00003-of-00003\.gguf:split\.no: is 1, the files have 2/);
    await rm(part(1));
    await expect(openModel(part(0))).rejects.toThrow(/^model-00002-of-00003\.gguf: is missing/);
  });
});
