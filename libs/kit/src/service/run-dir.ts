// The folder of the Unix sockets: who makes it, and how it goes away.
import { mkdirSync, mkdtempSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FatalStartError } from '../errors/fatal.js';
import { socketPathOf } from '../rpc/listen.js';

/** Where services that were given no folder meet: one a user, so that services started by hand find each other. */
export function sharedRunDir(): string {
  return join(tmpdir(), `switchyard-${process.getuid?.() ?? 0}`);
}

/** A fresh folder of mode 0700, with a short name because socket paths are limited to 107 bytes. */
export function makePrivateRunDir(): string {
  return mkdtempSync(join(tmpdir(), 'switchyard-'));
}

/** Makes the folder. Throws FatalStartError when another user owns it or others may write to it. */
export function ensureRunDir(runDir: string): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const found = statSync(runDir);
  if (found.uid !== process.getuid?.()) throw new FatalStartError(`${runDir} belongs to another user`);
  if (found.mode & 0o022) throw new FatalStartError(`${runDir} is writable by others: its mode must be 0700`);
}

/** Removes sockets, and then the folder when nothing else is in it. Never throws. */
export function removeSockets(addresses: readonly string[], runDir: string): void {
  for (const path of addresses.map(socketPathOf)) if (path) quietly(() => unlinkSync(path));
  quietly(() => rmdirSync(runDir));
}

/** Absent files and a folder that is not empty are what one expects here. */
function quietly(remove: () => void): void {
  try {
    remove();
  } catch {
    return;
  }
}
