// The folder of the weights' cache: digests of weight files and arenas, shared by all processes of a user on this machine. Whatever is in
// it can be removed at any time: it is made again, and a process keeps what it has mapped.
import { mkdir, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cacheFolder } from '@switchyard/model-files';
import type { FileLock, NativeModule } from '@switchyard/native';

const lockPollMs = 50;
const touchMs = 24 * 3_600_000;
const unusedMsMax = 30 * 24 * 3_600_000;
/** What this cache and that of model files make, half-made files included. The folder may hold other things, which are not ours to remove. */
const ownName = /^[0-9a-f]{64}\.(arena|sha256|lock|description|tokenizer)(\.[0-9]+)?(\.tmp)?$/;

export class WeightsCache {
  readonly dir: string;

  /** @param dir As configured. */
  constructor(dir: string | undefined) {
    this.dir = cacheFolder(dir);
  }

  /** Makes the folder; rejects with the file system's error. */
  async open(): Promise<void> {
    await mkdir(this.dir, { recursive: true, mode: 0o700 });
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Notes that the file at `path` was used, for prune(); once a day, since a note may wait for all that the disk has to write. */
  async touch(path: string): Promise<void> {
    const now = new Date();
    try {
      const { mtimeMs } = await stat(path);
      if (now.getTime() - mtimeMs > touchMs) await utimes(path, now, now);
    } catch {
      // Another user's, or removed meanwhile.
    }
  }

  /** Removes what this cache made and nobody has used for a month. */
  async prune(): Promise<void> {
    const names = await readdir(this.dir);
    for (const name of names.filter((each) => ownName.test(each))) {
      const { mtimeMs } = await stat(this.path(name)).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > unusedMsMax) await rm(this.path(name), { force: true });
    }
  }

  /** Waits for the lock of this name as long as its owner lives; rejects when `signal` aborts. */
  async lock(native: Pick<NativeModule, 'tryLockFile'>, name: string, signal: AbortSignal): Promise<FileLock> {
    for (;;) {
      signal.throwIfAborted();
      const lock = native.tryLockFile(this.path(`${name}.lock`));
      if (lock !== null) return lock;
      await sleep(lockPollMs, undefined, { signal });
    }
  }
}
