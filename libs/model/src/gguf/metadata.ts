// Metadata of a GGUF file: names with typed values, arrays within bounds. Called by gguf/header.ts.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { ModelError } from '../error.js';
import type { Cursor } from './cursor.js';

export type GgufValue = number | bigint | boolean | string | GgufValue[];
export type GgufMetadata = ReadonlyMap<string, GgufValue>;

const KEY_BYTES_MAX = 65_535;
const TEXT_BYTES_MAX = 16 << 20;
const NUM_ENTRIES_MAX = 1 << 16;
/** Elements of all arrays together: three arrays of the largest vocabulary and its merges stay far below. */
const NUM_ELEMENTS_MAX = 1 << 24;
const DEPTH_MAX = 4;

interface ValueType {
  /** Fewest bytes that a value takes in the file. */
  bytesMin: number;
  read: (cursor: Cursor) => GgufValue;
}

const ARRAY = 9;

/** By the number that stands in the file; arrays are read by this module itself. */
const valueTypes: ReadonlyMap<number, ValueType> = new Map<number, ValueType>([
  [0, { bytesMin: 1, read: (cursor) => cursor.u8() }],
  [1, { bytesMin: 1, read: (cursor) => cursor.i8() }],
  [2, { bytesMin: 2, read: (cursor) => cursor.u16() }],
  [3, { bytesMin: 2, read: (cursor) => cursor.i16() }],
  [4, { bytesMin: 4, read: (cursor) => cursor.u32() }],
  [5, { bytesMin: 4, read: (cursor) => cursor.i32() }],
  [6, { bytesMin: 4, read: (cursor) => cursor.f32() }],
  [7, { bytesMin: 1, read: readBool }],
  [8, { bytesMin: 8, read: (cursor) => cursor.text(TEXT_BYTES_MAX, 'a text') }],
  [10, { bytesMin: 8, read: (cursor) => cursor.u64() }],
  [11, { bytesMin: 8, read: (cursor) => cursor.i64() }],
  [12, { bytesMin: 8, read: (cursor) => cursor.f64() }],
]);
const ARRAY_BYTES_MIN = 12;

/** Reads all entries. @throws ModelError for whatever is not metadata within the bounds. */
export function readMetadata(cursor: Cursor, numEntries: number): GgufMetadata {
  if (numEntries > NUM_ENTRIES_MAX)
    throw cursor.error(`says it has ${numEntries} entries of metadata, at most ${NUM_ENTRIES_MAX} are allowed`);
  const metadata = new Map<string, GgufValue>();
  const reader = new ValueReader(cursor);
  for (let i = 0; i < numEntries; i++) {
    const key = cursor.text(KEY_BYTES_MAX, 'the name of a metadata entry');
    if (key === '') throw cursor.error('has a metadata entry without a name');
    if (metadata.has(key)) throw cursor.error(`has the metadata entry ${key} twice`);
    metadata.set(key, reader.read(key));
  }
  return metadata;
}

class ValueReader {
  #numElements = 0;

  constructor(private readonly cursor: Cursor) {}

  read(key: string): GgufValue {
    return this.#readTyped(this.cursor.u32(), key, 0);
  }

  #readTyped(type: number, key: string, depth: number): GgufValue {
    if (type === ARRAY) return this.#readArray(key, depth + 1);
    return this.#typeOf(type, key).read(this.cursor);
  }

  #readArray(key: string, depth: number): GgufValue[] {
    if (depth > DEPTH_MAX) throw this.cursor.error(`has arrays more than ${DEPTH_MAX} deep in ${key}`);
    const type = this.cursor.u32();
    const bytesMin = type === ARRAY ? ARRAY_BYTES_MIN : this.#typeOf(type, key).bytesMin;
    const count = this.cursor.count(NUM_ELEMENTS_MAX, `the number of elements of ${key}`);
    this.#numElements += count;
    if (this.#numElements > NUM_ELEMENTS_MAX) {
      throw this.cursor.error(`has more than ${NUM_ELEMENTS_MAX} elements in its metadata arrays`);
    }
    this.cursor.require(count * bytesMin, key);
    const values: GgufValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.#readTyped(type, key, depth));
    return values;
  }

  #typeOf(type: number, key: string): ValueType {
    const known = valueTypes.get(type);
    if (!known) throw this.cursor.error(`has the unknown value type ${type} in ${key}`);
    return known;
  }
}

function readBool(cursor: Cursor): boolean {
  const byte = cursor.u8();
  if (byte > 1) throw cursor.error(`has a bool of value ${byte}`);
  return byte === 1;
}

/** Typed access to metadata, with errors that name the file and the key. */
export class MetadataView {
  constructor(
    readonly file: string,
    readonly entries: GgufMetadata,
  ) {}

  get(key: string): GgufValue | undefined {
    return this.entries.get(key);
  }

  text(key: string): string | undefined {
    return this.#typed(key, (value) => typeof value === 'string', 'a text') as string | undefined;
  }

  bool(key: string): boolean | undefined {
    return this.#typed(key, (value) => typeof value === 'boolean', 'a bool') as boolean | undefined;
  }

  /** A finite number of any type. */
  number(key: string): number | undefined {
    return this.#typed(key, (value) => Number.isFinite(value), 'a number') as number | undefined;
  }

  texts(key: string): string[] | undefined {
    return this.#typed(key, isArrayOf('string'), 'an array of texts') as string[] | undefined;
  }

  numbers(key: string): number[] | undefined {
    return this.#typed(key, isArrayOf('number'), 'an array of numbers') as number[] | undefined;
  }

  /** What a key must have. */
  require<T>(value: T | undefined, key: string): T {
    if (value !== undefined) return value;
    throw new ModelError(`${this.file}:${key}`, 'is missing');
  }

  #typed(key: string, isType: (value: GgufValue) => boolean, what: string): GgufValue | undefined {
    const value = this.entries.get(key);
    if (value === undefined || isType(value)) return value;
    throw new ModelError(`${this.file}:${key}`, `must be ${what}`);
  }
}

function isArrayOf(type: 'string' | 'number'): (value: GgufValue) => boolean {
  return (value) => Array.isArray(value) && value.every((element) => typeof element === type);
}
