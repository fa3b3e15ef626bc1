// Opens a GGUF file, or all files of a model that was split: headers are read, tensors are mapped later by the native executor.
// Used by read-files.ts.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  type ByteSource,
  type GgufHeader,
  type GgufModel,
  ggufPartNames,
  joinGgufParts,
  ModelError,
  readGgufHeader,
  readGgufModel,
} from '@switchyard/model';
import { fileError } from './json-file.js';
import type { SeenFiles } from './seen-files.js';

/**
 * Reads a file's header and what model it describes. Tensors have the path of their file, as the first one's was given.
 *
 * @param path The file, or the first of the parts of a model.
 * @param seen Is told the files.
 * @throws ModelError naming the file, key or tensor for anything missing, damaged, inconsistent or not supported.
 */
export function readGgufFile(path: string, seen: SeenFiles): GgufModel {
  // Identity of a model: SHA-256 over each file's size and header, which hold configuration, tokenizer and tensor table.
  const digest = createHash('sha256');
  const first = readPart(path, digest, seen);
  const others = ggufPartNames(basename(path), first).slice(1);
  const parts = others.map((name) => readPart(join(dirname(path), name), digest, seen));
  return readGgufModel(joinGgufParts([first, ...parts]), digest.digest('hex'));
}

/** The header of one file, added to the digest. */
function readPart(path: string, digest: Hash, seen: SeenFiles): GgufHeader {
  const file = basename(path);
  seen.add(path);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const source = sourceOf(descriptor, file);
    const header = readGgufHeader(source);
    digest.update(`gguf ${source.bytes} ${header.headerBytes}\n`).update(source.read(0, header.headerBytes));
    return { ...header, tensors: header.tensors.map((tensor) => ({ ...tensor, file: path })) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ModelError(file, `is missing (${path})`);
    throw fileError(file, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function sourceOf(descriptor: number, file: string): ByteSource {
  return {
    file,
    bytes: fstatSync(descriptor).size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      let numRead = 0;
      while (numRead < length) {
        const step = readSync(descriptor, bytes, numRead, length - numRead, offset + numRead);
        if (step === 0) throw new ModelError(file, `is truncated: no byte ${offset + numRead}`);
        numRead += step;
      }
      return bytes;
    },
  };
}
