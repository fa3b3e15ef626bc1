// Reads the small files of a model directory, bounded in size, with errors that name the file. Used by read-files.ts and weight-files.ts.
// At once: whoever opens a model has nothing else to do yet, and each wait for a thread would cost a millisecond.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ModelError } from '@switchyard/model';
import type { SeenFiles } from './seen-files.js';

/** Largest file read whole: the tokenizers of the largest vocabularies have about 30 MB. */
const FILE_BYTES_MAX = 256 << 20;

/** A file as it was read and its JSON. */
export interface JsonFile {
  bytes: Buffer;
  json: unknown;
}

/** Reads and parses a file that must be there. */
export function readJson(dir: string, file: string, seen: SeenFiles): JsonFile {
  const found = readJsonIfThere(dir, file, seen);
  if (!found) throw new ModelError(file, `is missing in ${dir}`);
  return found;
}

/** Reads and parses a file that a model may leave out. */
export function readJsonIfThere(dir: string, file: string, seen: SeenFiles): JsonFile | undefined {
  const bytes = readIfThere(dir, file, seen);
  if (!bytes) return undefined;
  try {
    return { bytes, json: JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) };
  } catch (error) {
    throw new ModelError(file, `is not JSON (${(error as Error).message})`);
  }
}

/** Reads a text file that a model may leave out. */
export function readTextIfThere(dir: string, file: string, seen: SeenFiles): string | undefined {
  const bytes = readIfThere(dir, file, seen);
  return bytes?.toString('utf8');
}

/** The bytes of a file, undefined where it does not exist. Other failures are ModelErrors. */
function readIfThere(dir: string, file: string, seen: SeenFiles): Buffer | undefined {
  const path = join(dir, file);
  seen.add(path);
  try {
    const { size } = statSync(path);
    if (size > FILE_BYTES_MAX) throw new ModelError(file, `has ${size} bytes, at most ${FILE_BYTES_MAX} are allowed`);
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(file, error);
  }
}

/** Turns a failure of the file system into a ModelError. */
export function fileError(file: string, error: unknown): ModelError {
  if (error instanceof ModelError) return error;
  return new ModelError(file, `cannot be read (${(error as Error).message})`);
}
