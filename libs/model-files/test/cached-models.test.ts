// What the cache says of a model is what its files say: of every family and form, after every change of a file, with damaged cache files.
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '@switchyard/base';
import { ModelError } from '@switchyard/model';
import { flattenTables } from '@switchyard/tokenizer';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ReadModel, readModel } from '../src/index.js';
import { readFiles } from '../src/read-files.js';
import { damaged } from './damaged.js';

vi.mock('../src/read-files.js', async (importOriginal) => {
  const original: typeof import('../src/read-files.js') = await importOriginal();
  return { ...original, readFiles: vi.fn(original.readFiles) };
});
const reading = vi.mocked(readFiles);

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_261_129);
const FIXTURES = fileURLToPath(new URL('../../../test/fixtures/models/', import.meta.url));
const TINY = fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url));
const TOKENIZER = join(FIXTURES, 'tokenizers/gpt2/tokenizer.json');
/** Files that changed a moment ago are not trusted to show the next change. */
const SETTLE_MS = 60;

let folder = '';
let cacheDir = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-cached-'));
  cacheDir = join(folder, 'cache');
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

/** Opens the model; `numReads` is how often its files had to be read for it and its tokenizer. */
async function open(path: string): Promise<{ said: unknown; numReads: number }> {
  reading.mockClear();
  const said = sayingOf(await readModel(path, { cacheDir }));
  return { said, numReads: reading.mock.calls.length };
}

const fromFiles = async (path: string) => sayingOf(await readModel(path));

/** All that is known of a model, with its tokenizer or why it has none. */
function sayingOf(model: ReadModel): unknown {
  const { name, dir, spec, weights, samplingDefaults, contextTokens, warnings } = model;
  return { name, dir, spec, weights, samplingDefaults, contextTokens, warnings, tokenizer: tokenizerOf(model) };
}

function tokenizerOf(model: ReadModel): unknown {
  try {
    const { settings, arrays } = flattenTables(model.tokenizer.tables);
    return { settings, arrays: arrays.map((array) => createHash('sha256').update(array).digest('hex')) };
  } catch (error) {
    return String(error);
  }
}

/** A fixture of weights, which have no tokenizer, with one. */
function withTokenizer(name: string): string {
  const dir = join(folder, name);
  mkdirSync(dir);
  for (const file of readdirSync(join(FIXTURES, name))) symlinkSync(join(FIXTURES, name, file), join(dir, file));
  symlinkSync(TOKENIZER, join(dir, 'tokenizer.json'));
  return dir;
}

const hasWeights = (name: string) => existsSync(join(FIXTURES, name, 'config.json'));
const ggufFiles = ['gguf', 'gguf-blocks'].flatMap((kind) => {
  const names = readdirSync(join(FIXTURES, kind), { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => /(?<!-\d{5}-of-\d{5})\.gguf$|-00001-of-\d{5}\.gguf$/.test(name))
    .map((name) => join(kind, name));
});

describe('the cache says what the files say', () => {
  test.each(readdirSync(FIXTURES).filter(hasWeights))('of %s', async (name) => {
    const path = withTokenizer(name);
    const said = await fromFiles(path);
    expect(await open(path)).toEqual({ said, numReads: 1 });
    expect((await open(path)).said).toEqual(said);
  });

  test.each(ggufFiles)('of %s', async (name) => {
    const path = join(FIXTURES, name);
    const said = await fromFiles(path);
    expect(await open(path)).toEqual({ said, numReads: 1 });
    expect((await open(path)).said).toEqual(said);
  });

  test('of the shipped model, without reading its files', async () => {
    const said = await fromFiles(TINY);
    expect(await open(TINY)).toEqual({ said, numReads: 1 });
    expect(await open(TINY)).toEqual({ said, numReads: 0 });
    expect(
      readdirSync(cacheDir)
        .map((name) => name.replace(/^[0-9a-f]{64}/, 'KEY'))
        .sort(),
    ).toEqual(['KEY.description', 'KEY.tokenizer']);
  });

  test('and that it was used, a day later', async () => {
    await open(TINY);
    const times = () => readdirSync(cacheDir).map((name) => statSync(join(cacheDir, name)).mtimeMs);
    const [hourAgo, dayAgo] = [Date.now() - 3_600_000, Date.now() - 25 * 3_600_000];
    for (const [thenMs, isNoted] of [
      [hourAgo, false],
      [dayAgo, true],
    ] as const) {
      for (const name of readdirSync(cacheDir)) utimesSync(join(cacheDir, name), thenMs / 1000, thenMs / 1000);
      await open(TINY);
      for (const timeMs of times()) expect(timeMs > thenMs + 1000).toBe(isNoted);
    }
  });

  test('of a model that is opened under another name', async () => {
    await open(TINY);
    expect((await readModel(TINY, { cacheDir, name: 'other' })).name).toBe('other');
  });

  test('and is no more than a help: a folder that cannot be written is left alone', async () => {
    writeFileSync(cacheDir, '');
    expect((await open(TINY)).said).toEqual(await fromFiles(TINY));
  });
});

describe('a change is noticed', () => {
  let dir = '';
  const path = (file: string) => join(dir, file);
  beforeEach(async () => {
    dir = join(folder, 'model');
    cpSync(TINY, dir, { recursive: true });
    await sleep(SETTLE_MS);
  });

  const editJson = (file: string, change: object) => () =>
    writeFileSync(path(file), JSON.stringify({ ...JSON.parse(readFileSync(path(file), 'utf8')), ...change }));

  test.each<[string, () => void]>([
    ['config.json', editJson('config.json', { rms_norm_eps: 1e-5 })],
    ['tokenizer.json', editJson('tokenizer.json', { version: '1.1' })],
    ['tokenizer_config.json', editJson('tokenizer_config.json', { bos_token: 'x' })],
    ['generation_config.json', editJson('generation_config.json', { temperature: 0.1 })],
    ['generation_config.json that goes', () => rmSync(path('generation_config.json'))],
    ['chat_template.jinja that comes', () => writeFileSync(path('chat_template.jinja'), 'new')],
  ])('of %s', async (_, change) => {
    const before = (await open(dir)).said;
    expect((await open(dir)).numReads).toBe(0);
    change();
    const after = await open(dir);
    expect(after.numReads).toBeGreaterThan(0);
    expect(after.said).toEqual(await fromFiles(dir));
    expect(after.said).not.toEqual(before);
  });

  test('of weights, in place and with its old time', async () => {
    await open(dir);
    const { atimeMs, mtimeMs } = statSync(path('model.safetensors'));
    const bytes = readFileSync(path('model.safetensors'));
    writeFileSync(path('model.safetensors'), bytes);
    utimesSync(path('model.safetensors'), atimeMs / 1000, mtimeMs / 1000);
    expect((await open(dir)).numReads).toBeGreaterThan(0);
  });

  test('of an index that comes', async () => {
    await open(dir);
    writeFileSync(path('model.safetensors.index.json'), '{}');
    await expect(open(dir)).rejects.toThrow(ModelError);
  });

  test('of a file that changed so lately that a second change could look the same: it is not kept', async () => {
    appendFileSync(path('config.json'), ' ');
    const { ctimeMs } = statSync(path('config.json'));
    vi.spyOn(Date, 'now').mockReturnValue(ctimeMs + 10);
    await open(dir);
    expect(existsSync(cacheDir)).toBe(false);
  });

  test('between a model and its tokenizer', async () => {
    const opened = await readModel(dir, { cacheDir });
    const other = await readModel(dir, { cacheDir });
    editJson('tokenizer.json', { version: '1.1' })();
    expect(opened.tokenizer).toBeDefined(); // it had read the files
    expect(() => other.tokenizer).toThrow('has changed since it was opened');
  });
});

test(`damaged files of the cache are made again (SWITCHYARD_TEST_SEED=${SEED})`, async () => {
  const random = new SeededRandom(SEED);
  const said = await fromFiles(TINY);
  await open(TINY);
  for (let caseIdx = 0; caseIdx < 30; caseIdx++) {
    const file = join(cacheDir, random.pick(readdirSync(cacheDir).sort()));
    writeFileSync(file, damaged(readFileSync(file), random));
    expect({ caseIdx, ...(await open(TINY)) }).toEqual({ caseIdx, said, numReads: 1 });
    expect({ caseIdx, ...(await open(TINY)) }).toEqual({ caseIdx, said, numReads: 0 });
  }
});
