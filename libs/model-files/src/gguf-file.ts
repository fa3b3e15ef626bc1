// Opens a GGUF file: its header is read, its tensors are mapped later by the native executor. Used by open-model.ts.
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { type ByteSource, type GgufModel, ModelError, readGgufHeader, readGgufModel } from '@switchyard/model';
import { fileError } from './json-file.js';

/**
 * Reads a file's header and what model it describes. Tensors have the path of the file as it was given.
 *
 * @throws ModelError naming the file, key or tensor for anything missing, damaged, inconsistent or not supported.
 */
export function readGgufFile(path: string): GgufModel {
  const file = basename(path);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const source = sourceOf(descriptor, file);
    const header = readGgufHeader(source);
    const tensors = header.tensors.map((tensor) => ({ ...tensor, file: path }));
    return readGgufModel({ ...header, tensors }, digestOf(source, header.headerBytes));
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

/** Identity of a model: SHA-256 over the file's size and header, which holds configuration, tokenizer and tensor table. */
function digestOf(source: ByteSource, headerBytes: number): string {
  const hash = createHash('sha256').update(`gguf ${source.bytes} ${headerBytes}\n`);
  return hash.update(source.read(0, headerBytes)).digest('hex');
}
