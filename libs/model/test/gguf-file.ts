// Writes small GGUF files for tests: metadata and a tensor table as llama.cpp's converters lay them out, data left out.
import { dtypeLayout, tensorBytes } from '../src/dtype.js';
import type { ByteSource } from '../src/index.js';
import type { TensorDtype } from '../src/spec.js';

/** Values by type: whole numbers are u32, others f32, where `typed` does not say otherwise. */
export type Value = number | boolean | string | Value[] | { type: number; value: unknown };

export interface TensorEntry {
  name: string;
  /** Row-major, as everywhere here; the file has it reversed. */
  shape: number[];
  dtype?: TensorDtype;
}

const typeNumbers: Partial<Record<TensorDtype, number>> = { F32: 0, F16: 1, Q8_0: 8, Q4_K: 12, Q6_K: 14, BF16: 30 };
const ALIGNMENT = 32;

export class GgufWriter {
  readonly #bytes: number[] = [];

  u32(value: number): this {
    return this.#push(4, (view) => view.setUint32(0, value, true));
  }

  u64(value: number | bigint): this {
    return this.#push(8, (view) => view.setBigUint64(0, BigInt(value), true));
  }

  text(text: string): this {
    const bytes = new TextEncoder().encode(text);
    this.u64(bytes.byteLength);
    for (const byte of bytes) this.#bytes.push(byte);
    return this;
  }

  value(value: Value): this {
    return this.u32(typeOf(value)).#payload(value);
  }

  /** Up to here, filled to the alignment. */
  get length(): number {
    return this.#bytes.length;
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #payload(value: Value): this {
    if (Array.isArray(value)) {
      this.u32(typeOf(value[0] ?? 0)).u64(value.length);
      for (const element of value) this.#payload(element);
      return this;
    }
    if (typeof value === 'string') return this.text(value);
    if (typeof value === 'boolean') return this.#push(1, (view) => view.setUint8(0, Number(value)));
    if (typeof value === 'object') return this.#typed(value.type, value.value);
    return this.#typed(typeOf(value), value);
  }

  #typed(type: number, value: unknown): this {
    const big = () => BigInt(value as number | bigint);
    const writers: Record<number, [bytes: number, write: (view: DataView) => void]> = {
      0: [1, (view) => view.setUint8(0, value as number)],
      1: [1, (view) => view.setInt8(0, value as number)],
      2: [2, (view) => view.setUint16(0, value as number, true)],
      3: [2, (view) => view.setInt16(0, value as number, true)],
      4: [4, (view) => view.setUint32(0, value as number, true)],
      5: [4, (view) => view.setInt32(0, value as number, true)],
      6: [4, (view) => view.setFloat32(0, value as number, true)],
      7: [1, (view) => view.setUint8(0, value as number)],
      10: [8, (view) => view.setBigUint64(0, big(), true)],
      11: [8, (view) => view.setBigInt64(0, big(), true)],
      12: [8, (view) => view.setFloat64(0, value as number, true)],
    };
    const [bytes, write] = writers[type] ?? [0, () => {}];
    return this.#push(bytes, write);
  }

  #push(bytes: number, write: (view: DataView) => void): this {
    const view = new DataView(new ArrayBuffer(bytes));
    if (bytes > 0) write(view);
    this.#bytes.push(...new Uint8Array(view.buffer));
    return this;
  }
}

function typeOf(value: Value): number {
  if (Array.isArray(value)) return 9;
  if (typeof value === 'string') return 8;
  if (typeof value === 'boolean') return 7;
  if (typeof value === 'object') return value.type;
  return Number.isInteger(value) ? 4 : 6;
}

/** A header and the size of the file that it belongs to. */
export interface GgufFile {
  header: Uint8Array;
  fileBytes: number;
}

export function ggufFile(metadata: Record<string, Value>, tensors: readonly TensorEntry[]): GgufFile {
  const writer = new GgufWriter().u32(0x46554747).u32(3).u64(tensors.length).u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) writer.text(key).value(value);
  let end = 0;
  for (const { name, shape, dtype = 'F32' } of tensors) {
    const offset = align(end);
    writer.text(name).u32(shape.length);
    for (const dim of [...shape].reverse()) writer.u64(dim);
    writer.u32(typeNumbers[dtype] ?? 99).u64(offset);
    end = offset + (tensorBytes(dtype, shape) ?? dtypeLayout(dtype).blockBytes);
  }
  return { header: writer.finish(), fileBytes: align(writer.length) + end };
}

/** What lies behind the header is zeros, which nobody should read. */
export function sourceOf({ header, fileBytes }: GgufFile): ByteSource {
  return {
    file: 'model.gguf',
    bytes: fileBytes,
    read(offset, length) {
      if (offset + length > fileBytes)
        throw new Error(`read of ${length} bytes at ${offset} in a file of ${fileBytes}`);
      const bytes = new Uint8Array(length);
      bytes.set(header.subarray(offset, offset + length));
      return bytes;
    },
  };
}

function align(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
