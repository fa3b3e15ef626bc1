// The folder of the Unix sockets: who makes it, and how it goes away.
import { mkdirSync, rmdirSync, statSync, unlinkSync } from 'node:fs';
import { FatalStartError } from '../errors/fatal.js';
import { socketPathOf } from '../rpc/listen.js';

/** Makes the folder. Throws FatalStartError when another user owns it or others may write to it. */
export function ensureRunDir(runDir: string): void {
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const found = statSync(runDir);
  if (found.uid !== process.getuid?.()) throw new FatalStartError(`${runDir} belongs to another user`);
  if (found.mode & 0o022) throw new FatalStartError(`${runDir} is writable by others: its mode must be 0700`);
}

/** Removes this service's socket, and the folder when it was the last one in it. Never throws. */
export function removeSocket(address: string, runDir: string): void {
  const path = socketPathOf(address);
  if (path) quietly(() => unlinkSync(path));
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
