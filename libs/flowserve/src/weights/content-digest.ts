// Digest of the bytes of weight files. A file is hashed once: its digest stands in the cache under what the file system says of it, which
// changes with every change of the file (the change time cannot be set back).
import { createHash } from 'node:crypto';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import type { WeightsCache } from './weights-cache.js';

const pieceBytes = 4 << 20;

interface FileDigest {
  path: string;
  bytes: number;
  /** Name of the file in the cache that holds its digest. */
  memo: string;
  /** Null while it is not known. */
  digest: string | null;
}

export class ContentDigest {
  readonly #cache: WeightsCache;
  readonly #files: FileDigest[];
  #hashedBytes = 0;

  private constructor(cache: WeightsCache, files: FileDigest[]) {
    this.#cache = cache;
    this.#files = files;
  }

  /** Looks up what is known of these files; rejects with the file system's error when one is missing. */
  static async open(cache: WeightsCache, paths: readonly string[]): Promise<ContentDigest> {
    return new ContentDigest(cache, await Promise.all(paths.map((path) => lookUp(cache, path))));
  }

  /** Bytes that still must be hashed. */
  get missingBytes(): number {
    return this.#files.reduce((sum, { bytes, digest }) => sum + (digest === null ? bytes : 0), 0);
  }

  /** Bytes that complete() has read so far. */
  get hashedBytes(): number {
    return this.#hashedBytes;
  }

  /** Hashes what is not known, a piece of 4 MiB between two turns of the event loop. Rejects when `signal` aborts. */
  async complete(signal: AbortSignal): Promise<void> {
    const piece = new Uint8Array(pieceBytes);
    for (const file of this.#files.filter(({ digest }) => digest === null)) {
      file.digest = await this.#hash(file.path, piece, signal);
      await this.#remember(file);
    }
  }

  async #hash(path: string, piece: Uint8Array, signal: AbortSignal): Promise<string> {
    const hash = createHash('sha256');
    const file = await open(path);
    try {
      for (;;) {
        signal.throwIfAborted();
        const { bytesRead } = await file.read(piece, 0, piece.byteLength, null);
        if (bytesRead === 0) return hash.digest('hex');
        hash.update(piece.subarray(0, bytesRead));
        this.#hashedBytes += bytesRead;
      }
    } finally {
      await file.close();
    }
  }

  /** SHA-256 over `description` and all files' digests. Only when nothing is missing. */
  combine(description: string): string {
    const hash = createHash('sha256').update(`${description}\n`);
    for (const { digest } of this.#files) hash.update(`${digest}\n`);
    return hash.digest('hex');
  }

  /** A file that changed while it was read is not remembered: its memo is that of what it was before. */
  async #remember({ path, memo, digest }: FileDigest): Promise<void> {
    if ((await memoOf(path)).memo !== memo) return;
    const unfinished = this.#cache.path(`${memo}.${process.pid}.tmp`);
    await writeFile(unfinished, String(digest), { mode: 0o600 });
    await rename(unfinished, this.#cache.path(memo));
  }
}

async function lookUp(cache: WeightsCache, path: string): Promise<FileDigest> {
  const { memo, bytes } = await memoOf(path);
  const text = await readFile(cache.path(memo), 'utf8').catch(() => '');
  const digest = /^[0-9a-f]{64}$/.test(text) ? text : null;
  if (digest !== null) await cache.touch(cache.path(memo));
  return { path, bytes, memo, digest };
}

async function memoOf(path: string): Promise<{ memo: string; bytes: number }> {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const identity = createHash('sha256').update([dev, ino, size, mtimeNs, ctimeNs].join(' ')).digest('hex');
  return { memo: `${identity}.sha256`, bytes: Number(size) };
}
