// The weights cache with the real native part: what is made once is found again, what changed or is damaged is made anew.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from '@switchyard/kit';
import { type OpenedModel, openModel } from '@switchyard/model-files';
import { loadNative } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type PrepareOptions, prepareWeights } from '../src/weights/prepare-weights.js';
import { WeightsCache } from '../src/weights/weights-cache.js';

const fixtures = fileURLToPath(new URL('../../../test/fixtures/models', import.meta.url));
const native = loadNative();
let folder = '';
let messages: string[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-weights-'));
  messages = [];
});

afterEach(() => rmSync(folder, { recursive: true }));

const keep = (_: object, message: string) => messages.push(message);
const log = { info: keep, warn: keep } as unknown as Logger;
const arenas = () => readdirSync(join(folder, 'cache')).filter((name) => name.endsWith('.arena'));

function optionsFor(opened: OpenedModel, changes: Partial<PrepareOptions> = {}): PrepareOptions {
  return {
    native,
    opened,
    cache: new WeightsCache(join(folder, 'cache')),
    needsArena: true,
    onProgress: () => {},
    signal: new AbortController().signal,
    log,
    ...changes,
  };
}

/** A small model that a test may change: a fixture with a tokenizer, which it lacks. */
function makeModel(): string {
  const dir = join(folder, 'mixtral');
  mkdirSync(dir);
  for (const file of ['config.json', 'model.safetensors'])
    copyFileSync(join(fixtures, 'mixtral', file), join(dir, file));
  copyFileSync(join(fixtures, 'tokenizers/gpt2/tokenizer.json'), join(dir, 'tokenizer.json'));
  return dir;
}

const openSmall = () => openModel(makeModel());

test('what was made is found again', async () => {
  const opened = await openSmall();
  const first = await prepareWeights(optionsFor(opened));
  expect(messages).toEqual(['hashed the weights', 'packed the weights']);
  const second = await prepareWeights(optionsFor(opened));
  expect(second).toEqual(first);
  expect(messages).toHaveLength(2);
});

test('processes that need the same model at once make its arena once', async () => {
  const opened = await openSmall();
  const all = await Promise.all([1, 2, 3, 4].map(() => prepareWeights(optionsFor(opened))));
  expect(new Set(all.map(({ digest }) => digest)).size).toBe(1);
  expect(messages.filter((message) => message === 'packed the weights')).toHaveLength(1);
  expect(readdirSync(join(folder, 'cache')).filter((name) => /lock|tmp/.test(name))).toEqual([]);
});

test('one other byte of a tensor is another model, though size and time of its file are the same', async () => {
  const dir = makeModel();
  const path = join(dir, 'model.safetensors');
  const before = await prepareWeights(optionsFor(await openModel(dir)));
  const { atime, mtime } = statSync(path);
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(path, bytes);
  utimesSync(path, atime, mtime);
  const after = await prepareWeights(optionsFor(await openModel(dir)));
  expect(after.digest).not.toBe(before.digest);
  expect(arenas()).toHaveLength(2);
});

test('each policy and kernel class of a model has an arena of its own, and fma16 has no part in the key', async () => {
  const opened = await openModel(join(fixtures, 'gguf/deepseek2/model.gguf'));
  const keyOf = async (numbers: Pick<OpenedModel, 'policy' | 'kernelClass'>) =>
    (await prepareWeights(optionsFor({ ...opened, ...numbers }))).arena?.key;
  const { digest } = await prepareWeights(optionsFor(opened, { needsArena: false }));
  const { arenaLayoutVersion } = native.describe();
  const hashOf = (numbers: string) =>
    createHash('sha256').update(`${digest} ${numbers} ${arenaLayoutVersion}`).digest('hex');
  expect(await keyOf({ policy: 'fp32', kernelClass: 'fma16' })).toBe(hashOf('fp32'));
  expect(await keyOf({ policy: 'block-a8', kernelClass: 'fma16' })).toBe(hashOf('block-a8'));
  expect(await keyOf({ policy: 'fp32', kernelClass: 'mla-split' })).toBe(hashOf('fp32/mla-split'));
  expect(arenas()).toHaveLength(3);
});

test('a damaged arena is made again', async () => {
  const opened = await openSmall();
  const { arena } = await prepareWeights(optionsFor(opened));
  const path = arena?.path ?? '';
  const whole = readFileSync(path);
  chmodSync(path, 0o600);
  writeFileSync(path, whole.subarray(0, whole.length - 1));
  messages = [];
  await prepareWeights(optionsFor(opened));
  expect(messages).toContain('the arena is damaged and is made again');
  expect(messages.at(-1)).toBe('packed the weights');
  expect(readFileSync(path).equals(whole)).toBe(true);
});

test('a process that does not compute gets the digest alone', async () => {
  const opened = await openSmall();
  const { digest, arena } = await prepareWeights(optionsFor(opened, { needsArena: false }));
  expect(arena).toBeNull();
  expect(arenas()).toEqual([]);
  expect((await prepareWeights(optionsFor(opened))).digest).toBe(digest);
});

test('who waits for another says so, and stops waiting when told to', async () => {
  const opened = await openSmall();
  const cache = new WeightsCache(join(folder, 'cache'));
  await cache.open();
  const lock = native.tryLockFile(cache.path(`${opened.weights.digest}.lock`));
  const stop = new AbortController();
  const phases: cluster.LoadPhase[] = [];
  const onProgress = ({ phase }: cluster.LoadProgress) => phases.push(phase);
  const waiting = prepareWeights(optionsFor(opened, { signal: stop.signal, onProgress }));
  stop.abort(new Error('shutting down'));
  await expect(waiting).rejects.toThrow(/shutting down|aborted/);
  lock?.release();
  expect(phases).toEqual([cluster.LoadPhase.WAITING]);
});

test('a cancelled pack rejects and leaves nothing half done', async () => {
  const opened = await openSmall();
  const stop = new AbortController();
  const packModel: typeof native.packModel = (options) => {
    stop.abort(new Error('shutting down'));
    return native.packModel(options);
  };
  const changes = { signal: stop.signal, native: { ...native, packModel } };
  // So small a model may be whole before the word comes.
  await expect(prepareWeights(optionsFor(opened, changes))).rejects.toThrow(/cancelled|shutting down/);
  expect(readdirSync(join(folder, 'cache')).filter((name) => !/\.(sha256|arena)$/.test(name))).toEqual([]);
});

test('a cache that cannot be made rejects with its path', async () => {
  const opened = await openSmall();
  writeFileSync(join(folder, 'file'), '');
  const cache = new WeightsCache(join(folder, 'file', 'cache'));
  await expect(prepareWeights(optionsFor(opened, { cache }))).rejects.toThrow(join(folder, 'file'));
});

test('what the cache made and nobody used for a month goes with the next arena, and nothing else', async () => {
  const cache = new WeightsCache(join(folder, 'cache'));
  await cache.open();
  const longAgo = new Date(Date.now() - 31 * 24 * 3_600_000);
  const [old, fresh] = ['a'.repeat(64), 'b'.repeat(64)];
  const endings = ['arena', 'arena.tmp', 'sha256', 'sha256.12.tmp', 'description', 'tokenizer', 'tokenizer.12.tmp'];
  const gone = endings.map((ending) => `${old}.${ending}`);
  const foreign = ['thesis.txt', 'notes.arena'];
  for (const name of [...gone, ...foreign, `${fresh}.arena`]) writeFileSync(cache.path(name), '');
  mkdirSync(cache.path('folder'));
  for (const name of [...gone, ...foreign, 'folder']) utimesSync(cache.path(name), longAgo, longAgo);
  await prepareWeights(optionsFor(await openSmall()));
  expect(gone.filter((name) => existsSync(cache.path(name)))).toEqual([]);
  const kept = [...foreign, 'folder', `${fresh}.arena`];
  expect(kept.filter((name) => existsSync(cache.path(name)))).toEqual(kept);
});

test('the cache lies where XDG_CACHE_HOME says', () => {
  vi.stubEnv('XDG_CACHE_HOME', '/somewhere');
  expect(new WeightsCache(undefined).dir).toBe('/somewhere/switchyard');
  expect(new WeightsCache('/here').dir).toBe('/here');
  vi.unstubAllEnvs();
});
