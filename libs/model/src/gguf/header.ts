// Reads the header of a GGUF file: metadata and where each tensor lies. Called by libs/model-files.
// The bytes may be hostile or cut off: whatever they hold, the answer is a header or a ModelError, and no tensor is read.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { dtypeLayout, tensorBytes } from '../dtype.js';
import { ModelError } from '../error.js';
import type { TensorDtype, WeightTensor } from '../spec.js';
import { type ByteSource, Cursor } from './cursor.js';
import { MetadataView, readMetadata } from './metadata.js';

export interface GgufHeader {
  metadata: MetadataView;
  /** In order of their offset; shapes are row-major, so GGUF's dimensions reversed. */
  tensors: WeightTensor[];
  /** Bytes of header in front of the tensors, without padding. */
  headerBytes: number;
}

const MAGIC = 0x46554747; // "GGUF"
const VERSIONS = [2, 3];
const HEADER_BYTES_MAX = 1 << 28;
const NUM_TENSORS_MAX = 1 << 18;
const NAME_BYTES_MAX = 256;
const NUM_DIMS_MAX = 4;
const ALIGNMENT_DEFAULT = 32;
const ALIGNMENT_MAX = 1 << 20;
const TENSOR_BYTES_MIN = 8 + 4 + 8 + 4 + 8;

/** By the number that stands in the file (ggml_type). */
const typeToDtype: ReadonlyMap<number, TensorDtype> = new Map<number, TensorDtype>([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [30, 'BF16'],
]);

/** Names of types that are not supported, for errors. */
// biome-ignore format: a table
const otherTypes: ReadonlyMap<number, string> = new Map([
  [9, 'Q8_1'], [10, 'Q2_K'], [11, 'Q3_K'], [15, 'Q8_K'], [16, 'IQ2_XXS'], [17, 'IQ2_XS'], [18, 'IQ3_XXS'], [19, 'IQ1_S'],
  [20, 'IQ4_NL'], [21, 'IQ3_S'], [22, 'IQ2_S'], [23, 'IQ4_XS'], [24, 'I8'], [25, 'I16'], [26, 'I32'], [27, 'I64'],
  [28, 'F64'], [29, 'IQ1_M'], [34, 'TQ1_0'], [35, 'TQ2_0'], [39, 'MXFP4'],
]);

/** @throws ModelError naming the file and, where there is one, the key or the tensor. */
export function readGgufHeader(source: ByteSource): GgufHeader {
  const cursor = new Cursor(source, Math.min(source.bytes, HEADER_BYTES_MAX));
  checkVersion(cursor);
  const numTensors = cursor.count(NUM_TENSORS_MAX, 'the number of tensors');
  const numEntries = cursor.count(Number.MAX_SAFE_INTEGER, 'the number of metadata entries');
  const entries = readMetadata(cursor, numEntries);
  const metadata = new MetadataView(source.file, entries);
  const alignment = alignmentOf(metadata);
  cursor.require(numTensors * TENSOR_BYTES_MIN, 'its list of tensors');
  const tensors: WeightTensor[] = [];
  for (let i = 0; i < numTensors; i++) tensors.push(readTensor(cursor, source.file, alignment));
  const headerBytes = cursor.position;
  placeTensors(tensors, Math.ceil(headerBytes / alignment) * alignment, alignment, source);
  return { metadata, tensors, headerBytes };
}

function checkVersion(cursor: Cursor): void {
  const magic = cursor.u32();
  if (magic !== MAGIC) throw cursor.error('is not a GGUF file: it does not begin with "GGUF"');
  const version = cursor.u32();
  if (VERSIONS.includes(version)) return;
  const isSwapped = version !== 0 && (version & 0xffff) === 0;
  const text = isSwapped ? 'is a big-endian GGUF file' : `is of GGUF version ${version}`;
  throw cursor.error(`${text}, supported are little-endian files of version ${VERSIONS.join(' and ')}`);
}

function alignmentOf(metadata: MetadataView): number {
  const alignment = metadata.number('general.alignment') ?? ALIGNMENT_DEFAULT;
  const isPower = Number.isInteger(alignment) && alignment >= 8 && Number.isInteger(Math.log2(alignment));
  if (isPower && alignment <= ALIGNMENT_MAX) return alignment;
  throw new ModelError(
    `${metadata.file}:general.alignment`,
    `is ${alignment}, must be a power of two from 8 to ${ALIGNMENT_MAX}`,
  );
}

/** The offset is that in the file's tensor data until placeTensors adds where it begins. */
function readTensor(cursor: Cursor, file: string, alignment: number): WeightTensor {
  const name = cursor.text(NAME_BYTES_MAX, 'the name of a tensor');
  if (name === '') throw cursor.error('has a tensor without a name');
  const numDims = cursor.u32();
  if (numDims < 1 || numDims > NUM_DIMS_MAX)
    throw new ModelError(name, `in ${file} has ${numDims} dimensions, 1 to ${NUM_DIMS_MAX} are allowed`);
  const shape: number[] = [];
  for (let i = 0; i < numDims; i++) shape.unshift(cursor.count(Number.MAX_SAFE_INTEGER, `a dimension of ${name}`));
  const dtype = dtypeOf(cursor.u32(), name, file);
  const offset = cursor.count(Number.MAX_SAFE_INTEGER, `the offset of ${name}`);
  if (offset % alignment !== 0)
    throw new ModelError(name, `in ${file} has offset ${offset}, which is not aligned to ${alignment} bytes`);
  const bytes = tensorBytes(dtype, shape);
  if (bytes !== undefined && bytes > 0) return { name, file, offset, bytes, dtype, shape };
  const { blockElements } = dtypeLayout(dtype);
  const rows = blockElements > 1 ? ` for ${dtype}, whose rows are blocks of ${blockElements}` : '';
  throw new ModelError(name, `in ${file} has an impossible shape [${shape.join(', ')}]${rows}`);
}

function dtypeOf(type: number, name: string, file: string): TensorDtype {
  const dtype = typeToDtype.get(type);
  if (dtype) return dtype;
  const known = [...typeToDtype.values()].join(', ');
  throw new ModelError(name, `in ${file} is of type ${otherTypes.get(type) ?? type}, supported are ${known}`);
}

/** Makes offsets absolute, sorts by them, and checks that tensors lie one behind the other, as every writer puts them. */
function placeTensors(tensors: WeightTensor[], dataStart: number, alignment: number, source: ByteSource): void {
  tensors.sort((a, b) => a.offset - b.offset);
  const names = new Set<string>();
  let end = 0;
  for (const tensor of tensors) {
    const { name, offset, bytes, file } = tensor;
    if (names.has(name)) throw new ModelError(name, `stands twice in ${file}`);
    names.add(name);
    const expected = Math.ceil(end / alignment) * alignment;
    if (offset < expected) throw new ModelError(name, `in ${file} overlaps the tensor before it`);
    if (offset > expected) throw new ModelError(name, `in ${file} follows a gap that no tensor owns`);
    end = offset + bytes;
    tensor.offset += dataStart;
    if (dataStart + end <= source.bytes) continue;
    throw new ModelError(
      name,
      `in ${file} is truncated: it ends at byte ${dataStart + end}, the file at byte ${source.bytes}`,
    );
  }
}
