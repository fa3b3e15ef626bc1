// What stands between the files of a model and its service: the digest of their bytes, and the arena that holds them packed. Made once
// for a model and machine, by one process under a lock while the others wait; found ready later.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Logger } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import type { ArenaFile, NativeModule } from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import { ContentDigest } from './content-digest.js';
import type { WeightsCache } from './weights-cache.js';

const { WAITING, HASHING, PACKING } = cluster.LoadPhase;
const reportMs = 200;

export interface PrepareOptions {
  native: Pick<NativeModule, 'describe' | 'tryLockFile' | 'packModel' | 'checkArena'>;
  opened: OpenedModel;
  cache: WeightsCache;
  /** Whether this process computes with the weights; one that does not needs their digest only. */
  needsArena: boolean;
  onProgress: (progress: cluster.LoadProgress) => void;
  signal: AbortSignal;
  log: Logger;
}

export interface PreparedWeights {
  /** Of everything: configuration, tokenizer and all bytes of the weights. */
  digest: string;
  /** Null when it is not needed. */
  arena: ArenaFile | null;
}

/**
 * Finds or makes digest and arena. Rejects with the native error of bad weight files, the file system's error of files or cache, or the
 * signal's reason.
 */
export async function prepareWeights(options: PrepareOptions): Promise<PreparedWeights> {
  const { opened, cache, native, signal } = options;
  const files = [...new Set(opened.weights.tensors.map(({ file }) => file))].sort();
  await cache.open();
  const ready = await readyWeights(options, files);
  if (ready !== null) return ready;
  report(options, WAITING, 0, 0);
  const lock = await cache.lock(native, opened.weights.digest, signal);
  try {
    return (await readyWeights(options, files)) ?? (await makeWeights(options, files));
  } finally {
    lock.release();
  }
}

/** Null when something is missing or damaged. */
async function readyWeights(options: PrepareOptions, files: readonly string[]): Promise<PreparedWeights | null> {
  const { opened, cache, needsArena, native, log } = options;
  const contents = await ContentDigest.open(cache, files);
  if (contents.missingBytes > 0) return null;
  const digest = contents.combine(opened.weights.digest);
  if (!needsArena) return { digest, arena: null };
  const arena = arenaOf(options, digest);
  if (!existsSync(arena.path)) return null;
  try {
    native.checkArena(arena);
  } catch (error) {
    log.warn({ err: error }, 'the arena is damaged and is made again');
    return null;
  }
  await cache.touch(arena.path);
  return { digest, arena };
}

async function makeWeights(options: PrepareOptions, files: readonly string[]): Promise<PreparedWeights> {
  const { opened, cache, needsArena, signal } = options;
  const contents = await ContentDigest.open(cache, files);
  const totalBytes = contents.missingBytes;
  const hashProgress = () => ({ doneBytes: contents.hashedBytes, totalBytes });
  if (totalBytes > 0) await reported(options, HASHING, hashProgress, () => contents.complete(signal));
  const digest = contents.combine(opened.weights.digest);
  if (!needsArena) return { digest, arena: null };
  const arena = arenaOf(options, digest);
  await pack(options, arena);
  await cache.prune();
  return { digest, arena };
}

/** The key names the weights and all that decides how they are packed. */
function arenaOf({ native, opened, cache }: PrepareOptions, digest: string): ArenaFile {
  const { policy, kernelClass } = opened;
  const { arenaLayoutVersion } = native.describe();
  // The default class has no part in it: its arenas keep the names that they had before there was a choice.
  const numbers = kernelClass === 'fma16' ? policy : `${policy}/${kernelClass}`;
  const key = createHash('sha256').update(`${digest} ${numbers} ${arenaLayoutVersion}`).digest('hex');
  return { path: cache.path(`${key}.arena`), key };
}

async function pack(options: PrepareOptions, arena: ArenaFile): Promise<void> {
  const { native, opened, signal } = options;
  const { executorSpec: model, weights, policy, kernelClass } = opened;
  const run = native.packModel({ model, weights, policy, kernelClass, arena });
  const cancel = () => run.cancel();
  signal.addEventListener('abort', cancel);
  if (signal.aborted) cancel();
  try {
    await reported(options, PACKING, run.progress, () => run.done);
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

/** Runs `body` with its progress told all the while, and its time in the log. */
async function reported(
  options: PrepareOptions,
  phase: cluster.LoadPhase,
  progress: () => { doneBytes: number; totalBytes: number },
  body: () => Promise<void>,
): Promise<void> {
  const startedAtMs = performance.now();
  const tell = () => {
    const { doneBytes, totalBytes } = progress();
    report(options, phase, doneBytes, totalBytes);
  };
  const timer = setInterval(tell, reportMs);
  try {
    await body();
  } finally {
    clearInterval(timer);
  }
  const ms = Math.round(performance.now() - startedAtMs);
  const { totalBytes } = progress();
  options.log.info(
    { model: options.opened.name, ms, totalBytes },
    phase === HASHING ? 'hashed the weights' : 'packed the weights',
  );
}

function report(options: PrepareOptions, phase: cluster.LoadPhase, doneBytes: number, totalBytes: number): void {
  const { opened, onProgress } = options;
  onProgress({ model: opened.name, phase, doneBytes: BigInt(doneBytes), totalBytes: BigInt(totalBytes) });
}
