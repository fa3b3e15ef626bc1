// Reads the headers of a model's safetensors files, never their tensors. Used by read-files.ts.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkSafetensorsIndex,
  ModelError,
  parseSafetensorsHeader,
  parseSafetensorsIndex,
  SAFETENSORS_PREFIX_BYTES,
  safetensorsHeaderBytes,
  type WeightTensor,
} from '@switchyard/model';
import { fileError, readJsonIfThere } from './json-file.js';
import type { SeenFiles } from './seen-files.js';

const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';

/** What a file's header says. */
export interface WeightFile {
  file: string;
  fileBytes: number;
  /** Size field and header, as they stand in the file. */
  header: Uint8Array;
  tensors: WeightTensor[];
}

/**
 * Reads all headers of a model: those of the files in its index, or of model.safetensors where there is no index.
 * Files are in alphabetical order.
 */
export function readWeightFiles(dir: string, seen: SeenFiles): WeightFile[] {
  const indexFile = readJsonIfThere(dir, INDEX_FILE, seen);
  if (!indexFile) return [readWeightFile(dir, SINGLE_FILE, seen)];
  const index = parseSafetensorsIndex(indexFile.json);
  const weightFiles: WeightFile[] = [];
  for (const file of index.files) weightFiles.push(readWeightFile(dir, file, seen));
  checkSafetensorsIndex(
    index,
    weightFiles.flatMap(({ tensors }) => tensors),
  );
  return weightFiles;
}

function readWeightFile(dir: string, file: string, seen: SeenFiles): WeightFile {
  const path = join(dir, file);
  seen.add(path);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    return readHeader(descriptor, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ModelError(file, `is missing in ${dir}`);
    throw fileError(file, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function readHeader(descriptor: number, file: string): WeightFile {
  const { size: fileBytes } = fstatSync(descriptor);
  const prefix = readStart(descriptor, Math.min(fileBytes, SAFETENSORS_PREFIX_BYTES), file);
  const header = readStart(descriptor, safetensorsHeaderBytes(prefix, fileBytes, file), file);
  return { file, fileBytes, header, tensors: parseSafetensorsHeader(header, fileBytes, file) };
}

/** The first `numBytes` of a file. */
function readStart(descriptor: number, numBytes: number, file: string): Uint8Array {
  const bytes = Buffer.alloc(numBytes);
  const bytesRead = readSync(descriptor, bytes, 0, numBytes, 0);
  if (bytesRead < numBytes) throw new ModelError(file, `is truncated: read ${bytesRead} of ${numBytes} bytes`);
  return bytes;
}
