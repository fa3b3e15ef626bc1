// Writes one safetensors file, tensor by tensor, in pieces of a few megabytes: the memory needed is that of a piece and of one matrix's
// scales. Called by write-checkpoint.ts.
import { type FileHandle, open } from 'node:fs/promises';
import type { WeightTensor } from '@switchyard/model';
import { loadNative } from '@switchyard/native';
import type { Method } from '../methods/method.js';
import type { Conversion } from './conversion.js';
import type { Shard } from './shards.js';

/** Enough that a piece costs more than the call. */
export const PIECE_ELEMENTS = 1 << 22;

/** How a run quantises, what may end it, and who wants to know how far it is. */
export interface WriteRun {
  method: Method;
  /** Weights that are in memory at once; a row at least. */
  pieceElements: number;
  signal: AbortSignal;
  /** Of the source's tensors. */
  onBytes: (bytes: number) => void;
}

/** @throws the signal's reason between two pieces, or what went wrong. */
export async function writeShard(path: string, shard: Shard, run: WriteRun): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await writeAt(file, shard.header, 0);
    for (const conversion of shard.conversions) await writeTensors(file, shard, conversion, run);
    await file.sync();
  } finally {
    await file.close();
  }
}

function writeTensors(file: FileHandle, shard: Shard, conversion: Conversion, run: WriteRun): Promise<void> {
  const [first, second] = conversion.outputs.map(({ name }) => shard.nameToTensor.get(name)?.offset ?? 0);
  switch (conversion.kind) {
    case 'copy':
      return copyTensor(file, first as number, conversion.tensor, run);
    case 'round':
      return roundMatrix(file, first as number, conversion.tensor, run);
    case 'quantize':
      return quantizeMatrix(file, first as number, second as number, conversion, run);
  }
}

async function copyTensor(file: FileHandle, offset: number, tensor: WeightTensor, run: WriteRun): Promise<void> {
  const source = await open(tensor.file);
  try {
    const piece = Buffer.alloc(Math.min(run.pieceElements, tensor.bytes));
    for (let done = 0; done < tensor.bytes; ) {
      run.signal.throwIfAborted();
      const { bytesRead } = await source.read(
        piece,
        0,
        Math.min(piece.byteLength, tensor.bytes - done),
        tensor.offset + done,
      );
      if (bytesRead === 0) throw new Error(`${tensor.file} has become shorter`);
      await writeAt(file, piece.subarray(0, bytesRead), offset + done);
      done += bytesRead;
      run.onBytes(bytesRead);
    }
  } finally {
    await source.close();
  }
}

async function roundMatrix(file: FileHandle, offset: number, tensor: WeightTensor, run: WriteRun): Promise<void> {
  let at = offset;
  for (const { firstRow, numRows } of piecesOf(tensor, run)) {
    run.signal.throwIfAborted();
    const rows = bytesOf(loadNative().roundRows({ tensor, firstRow, numRows }));
    await writeAt(file, rows, at);
    at += rows.byteLength;
    run.onBytes(shareOf(tensor, numRows));
  }
}

async function quantizeMatrix(
  file: FileHandle,
  offset: number,
  scaleOffset: number,
  { tensor, scaleDtype }: Extract<Conversion, { kind: 'quantize' }>,
  run: WriteRun,
): Promise<void> {
  let at = offset;
  let scaleAt = scaleOffset;
  for (const { firstRow, numRows } of piecesOf(tensor, run)) {
    run.signal.throwIfAborted();
    const { values, scales } = run.method.quantizeRows({ tensor, firstRow, numRows }, scaleDtype);
    await writeAt(file, bytesOf(values), at);
    at += values.byteLength;
    const stored = scaleDtype === 'BF16' ? upperHalves(scales) : bytesOf(scales);
    await writeAt(file, stored, scaleAt);
    scaleAt += stored.byteLength;
    run.onBytes(shareOf(tensor, numRows));
  }
}

function* piecesOf(
  { shape: [rows = 0, columns = 1] }: WeightTensor,
  { pieceElements }: WriteRun,
): Generator<{ firstRow: number; numRows: number }> {
  const pieceRows = Math.max(1, Math.floor(pieceElements / columns));
  for (let firstRow = 0; firstRow < rows; firstRow += pieceRows) {
    yield { firstRow, numRows: Math.min(pieceRows, rows - firstRow) };
  }
}

const shareOf = ({ bytes, shape: [rows = 1] }: WeightTensor, numRows: number) => (bytes * numRows) / rows;

const bytesOf = (array: NodeJS.TypedArray) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** bfloat16 of numbers that are rounded to it. */
function upperHalves(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return bytesOf(Uint16Array.from(bits, (word) => word >>> 16));
}

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.byteLength; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, position + done);
    done += bytesWritten;
  }
}
