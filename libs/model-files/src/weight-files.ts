// Reads the headers of a model's safetensors files, never their tensors. Used by open-model.ts.
import { type FileHandle, open } from 'node:fs/promises';
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
export async function readWeightFiles(dir: string): Promise<WeightFile[]> {
  const indexFile = await readJsonIfThere(dir, INDEX_FILE);
  if (!indexFile) return [await readWeightFile(dir, SINGLE_FILE)];
  const index = parseSafetensorsIndex(indexFile.json);
  const weightFiles: WeightFile[] = [];
  for (const file of index.files) weightFiles.push(await readWeightFile(dir, file));
  checkSafetensorsIndex(
    index,
    weightFiles.flatMap(({ tensors }) => tensors),
  );
  return weightFiles;
}

async function readWeightFile(dir: string, file: string): Promise<WeightFile> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(join(dir, file));
    return await readHeader(handle, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ModelError(file, `is missing in ${dir}`);
    throw fileError(file, error);
  } finally {
    await handle?.close();
  }
}

async function readHeader(handle: FileHandle, file: string): Promise<WeightFile> {
  const { size: fileBytes } = await handle.stat();
  const prefix = await readStart(handle, Math.min(fileBytes, SAFETENSORS_PREFIX_BYTES), file);
  const header = await readStart(handle, safetensorsHeaderBytes(prefix, fileBytes, file), file);
  return { file, fileBytes, header, tensors: parseSafetensorsHeader(header, fileBytes, file) };
}

/** The first `numBytes` of a file. */
async function readStart(handle: FileHandle, numBytes: number, file: string): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(numBytes), 0, numBytes, 0);
  if (bytesRead < numBytes) throw new ModelError(file, `is truncated: read ${bytesRead} of ${numBytes} bytes`);
  return buffer;
}
