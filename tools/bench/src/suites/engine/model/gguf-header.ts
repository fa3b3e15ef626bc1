// The bytes of a GGUF header: magic, metadata, tensor table. Knows types, not models.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md

/** A number by itself is a u32, in an array an i32, as llama.cpp wants the types of tokens. */
export type GgufValue = number | Float | boolean | string | readonly number[] | readonly string[];

/** An f32: readers refuse a u32 in its place. */
export interface Float {
  f32: number;
}

const MAGIC = 0x46554747;
const VERSION = 3;
const ALIGNMENT = 32;
const tensorTypes = { F32: 0, Q8_0: 8 } as const;
const U32 = 4;
const I32 = 5;
const F32 = 6;
const BOOL = 7;
const TEXT = 8;
const ARRAY = 9;

export class GgufHeader {
  readonly #chunks: Buffer[] = [];

  constructor(numTensors: number, numEntries: number) {
    this.#u32(MAGIC).#u32(VERSION).#u64(numTensors).#u64(numEntries);
  }

  /** All entries come before the first tensor. */
  entry(key: string, value: GgufValue): void {
    this.#text(key).#u32(typeOf(value)).#value(value);
  }

  /** @param shape Row-major. @param offset From the end of the header, bytes. */
  tensor(name: string, dtype: keyof typeof tensorTypes, shape: readonly number[], offset: number): void {
    this.#text(name).#u32(shape.length);
    for (const size of [...shape].reverse()) this.#u64(size);
    this.#u32(tensorTypes[dtype]).#u64(offset);
  }

  /** Filled up to where the first tensor begins. */
  finish(): Buffer {
    const bytes = Buffer.concat(this.#chunks);
    return Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.byteLength % ALIGNMENT)) % ALIGNMENT)]);
  }

  #value(value: GgufValue): void {
    if (typeof value === 'boolean') this.#bytes(1, (bytes) => bytes.writeUInt8(Number(value)));
    else if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'number') this.#u32(value);
    else if ('f32' in value) this.#bytes(4, (bytes) => bytes.writeFloatLE(value.f32));
    else this.#array(value);
  }

  #array(values: readonly (number | string)[]): void {
    this.#u32(values.every((value) => typeof value === 'string') ? TEXT : I32).#u64(values.length);
    for (const value of values) {
      if (typeof value === 'string') this.#text(value);
      else this.#bytes(4, (bytes) => bytes.writeInt32LE(value));
    }
  }

  #text(text: string): this {
    const bytes = Buffer.from(text);
    this.#u64(bytes.byteLength).#chunks.push(bytes);
    return this;
  }

  #u32(value: number): this {
    return this.#bytes(4, (bytes) => bytes.writeUInt32LE(value));
  }

  #u64(value: number): this {
    return this.#bytes(8, (bytes) => bytes.writeBigUInt64LE(BigInt(value)));
  }

  #bytes(size: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.alloc(size);
    write(bytes);
    this.#chunks.push(bytes);
    return this;
  }
}

function typeOf(value: GgufValue): number {
  if (typeof value === 'number') return U32;
  if (typeof value === 'string') return TEXT;
  if (typeof value === 'boolean') return BOOL;
  return 'f32' in value ? F32 : ARRAY;
}
