// Which files an answer came from, and what the file system said of each before it was read. Filled by what reads a model's files; a memo
// holds as long as all of it is still so (memo.ts). The change time is part of it, since nobody can set it back.
import { statSync } from 'node:fs';

/** Clocks of file systems tick up to 10 ms apart: a file that changed so shortly before it was read may change again unseen. */
const SETTLED_MS = 50;

/** A path, and device, inode, size, modification and change time of what lies there; null where nothing does. */
export type SeenFile = readonly [path: string, identity: string | null];

export class SeenFiles {
  readonly #seen = new Map<string, SeenFile>();
  readonly #settledBeforeNs: bigint;

  /** @param nowMs Before anything was read, by the clock of the file system. */
  constructor(nowMs: number) {
    this.#settledBeforeNs = BigInt(Math.floor(nowMs - SETTLED_MS)) * 1_000_000n;
  }

  /** Notes a file that is about to be read, whether or not it is there. */
  add(path: string): void {
    if (!this.#seen.has(path)) this.#seen.set(path, lookAt(path));
  }

  get files(): SeenFile[] {
    return [...this.#seen.values()];
  }

  /** Whether a later change of any of the files will show in its identity. */
  get areSettled(): boolean {
    return this.files.every(([, identity]) => identity === null || changedNs(identity) < this.#settledBeforeNs);
  }
}

/** Whether all files are as they were seen. */
export function areUnchanged(files: readonly SeenFile[]): boolean {
  return files.every(([path, identity]) => lookAt(path)[1] === identity);
}

/** What cannot be looked at counts as not there; reading it says why. */
export function lookAt(path: string): SeenFile {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
    return [path, [dev, ino, size, mtimeNs, ctimeNs].join(' ')];
  } catch {
    return [path, null];
  }
}

function changedNs(identity: string): bigint {
  return BigInt(identity.slice(identity.lastIndexOf(' ') + 1));
}
