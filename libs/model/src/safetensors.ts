// Reads headers of safetensors files: where each tensor lies, in what type and shape. Called by libs/model-files.
// The bytes may be hostile or cut off: whatever they hold, the answer is a list of tensors or a ModelError.
// Format: https://huggingface.co/docs/safetensors (8 bytes little-endian header size, JSON header, tensor data).
import { plainDtypes, tensorBytes } from './dtype.js';
import { ModelError } from './error.js';
import type { TensorDtype, WeightTensor } from './spec.js';

/** Bytes of the size field in front of the header. */
export const SAFETENSORS_PREFIX_BYTES = 8;

/** Largest header of the reference implementation. */
const HEADER_BYTES_MAX = 100_000_000;
const NUM_DIMS_MAX = 8;

const dtypes: readonly string[] = [...Object.keys(plainDtypes), 'F8_E4M3', 'I8'];

/**
 * Size of the part of a file that `parseSafetensorsHeader` needs, size field included.
 *
 * @param prefix At least the first 8 bytes of the file.
 * @param fileBytes Size of the whole file.
 * @param file The file's name, for errors.
 */
export function safetensorsHeaderBytes(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (prefix.byteLength < SAFETENSORS_PREFIX_BYTES) {
    throw new ModelError(file, `is truncated: ${fileBytes} bytes, a safetensors file has at least 8`);
  }
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefix.byteLength);
  const headerBytes = view.getBigUint64(0, true);
  if (headerBytes > BigInt(HEADER_BYTES_MAX)) {
    throw new ModelError(file, `says its header has ${headerBytes} bytes, at most ${HEADER_BYTES_MAX} are allowed`);
  }
  const total = SAFETENSORS_PREFIX_BYTES + Number(headerBytes);
  if (total > fileBytes) {
    throw new ModelError(file, `is truncated: its header ends at byte ${total}, the file at byte ${fileBytes}`);
  }
  return total;
}

/**
 * Parses a header and checks it: types, bounds, size = shape x type, and that the tensors fill the file without gap or overlap.
 *
 * @param bytes The start of the file, at least `safetensorsHeaderBytes` of it.
 * @param fileBytes Size of the whole file.
 * @param file The file's name, for errors and for the tensors.
 * @returns The tensors in order of their offset.
 */
export function parseSafetensorsHeader(bytes: Uint8Array, fileBytes: number, file: string): WeightTensor[] {
  const dataStart = safetensorsHeaderBytes(bytes, fileBytes, file);
  if (bytes.byteLength < dataStart) {
    throw new ModelError(file, `needs ${dataStart} bytes of header, got ${bytes.byteLength}`);
  }
  const header = parseJsonObject(bytes.subarray(SAFETENSORS_PREFIX_BYTES, dataStart), file);
  const tensors: WeightTensor[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.push(parseEntry(name, entry, dataStart, file));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  checkCoverage(tensors, dataStart, fileBytes, file);
  return tensors;
}

function parseJsonObject(bytes: Uint8Array, file: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ModelError(file, `has a header that is not JSON (${(error as Error).message})`);
  }
  if (!isObject(value)) throw new ModelError(file, 'has a header that is not a JSON object');
  return value;
}

function parseEntry(name: string, entry: unknown, dataStart: number, file: string): WeightTensor {
  if (!isObject(entry)) throw new ModelError(name, `has an entry in ${file} that is not an object`);
  const dtype = parseDtype(name, entry.dtype, file);
  const shape = parseShape(name, entry.shape, file);
  const [begin, end] = parseOffsets(name, entry.data_offsets, file);
  const bytes = tensorBytes(dtype, shape);
  if (bytes === undefined) throw new ModelError(name, `in ${file} has an impossible shape [${shape.join(', ')}]`);
  if (end - begin !== bytes) {
    throw new ModelError(
      name,
      `in ${file} has ${end - begin} bytes, ${dtype} of shape [${shape.join(', ')}] needs ${bytes}`,
    );
  }
  return { name, file, offset: dataStart + begin, bytes, dtype, shape };
}

function parseDtype(name: string, dtype: unknown, file: string): TensorDtype {
  if (typeof dtype === 'string' && dtypes.includes(dtype)) return dtype as TensorDtype;
  throw new ModelError(name, `in ${file} has dtype ${JSON.stringify(dtype)}, supported are ${dtypes.join(', ')}`);
}

function parseShape(name: string, shape: unknown, file: string): number[] {
  if (!Array.isArray(shape) || shape.length > NUM_DIMS_MAX || !shape.every(isCount)) {
    throw new ModelError(name, `in ${file} has a shape that is not a list of at most ${NUM_DIMS_MAX} counts`);
  }
  return shape;
}

function parseOffsets(name: string, offsets: unknown, file: string): [begin: number, end: number] {
  if (Array.isArray(offsets) && offsets.length === 2) {
    const [begin, end]: unknown[] = offsets;
    if (isCount(begin) && isCount(end) && begin <= end) return [begin, end];
  }
  throw new ModelError(name, `in ${file} has data_offsets that are not [begin, end] with begin <= end`);
}

/** The format forbids gaps; checking it also finds overlaps and names that occur twice in the JSON. */
function checkCoverage(tensors: WeightTensor[], dataStart: number, fileBytes: number, file: string): void {
  let position = dataStart;
  for (const tensor of tensors) {
    if (tensor.offset < position) throw new ModelError(tensor.name, `in ${file} overlaps the tensor before it`);
    if (tensor.offset > position) throw new ModelError(tensor.name, `in ${file} follows a gap that no tensor owns`);
    position += tensor.bytes;
  }
  if (position > fileBytes) {
    throw new ModelError(file, `is truncated: its tensors end at byte ${position}, the file at byte ${fileBytes}`);
  }
  if (position < fileBytes) throw new ModelError(file, `has ${fileBytes - position} bytes that no tensor owns`);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
