// Reads little-endian values one after the other from a file of which only windows are in memory. Used by gguf/header.ts.
// Lengths and counts come from the file and may be hostile: nothing is allocated before the file is known to be that long.
import { ModelError } from '../error.js';

/** A file as the reader sees it. */
export interface ByteSource {
  /** For errors and for the tensors. */
  file: string;
  bytes: number;
  /** Exactly these bytes; the caller stays inside the file. They are not changed, and not kept. */
  read(offset: number, length: number): Uint8Array;
}

const WINDOW_BYTES = 1 << 20;

export class Cursor {
  /** Offset in the file of the next byte. */
  position = 0;
  #window: Uint8Array = new Uint8Array();
  #windowStart = 0;
  #view: DataView = new DataView(new ArrayBuffer(0));
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  /** @param end No byte from here on is read. */
  constructor(
    private readonly source: ByteSource,
    private readonly end: number,
  ) {}

  u8(): number {
    return this.#read(1, (view, at) => view.getUint8(at));
  }

  i8(): number {
    return this.#read(1, (view, at) => view.getInt8(at));
  }

  u16(): number {
    return this.#read(2, (view, at) => view.getUint16(at, true));
  }

  i16(): number {
    return this.#read(2, (view, at) => view.getInt16(at, true));
  }

  u32(): number {
    return this.#read(4, (view, at) => view.getUint32(at, true));
  }

  i32(): number {
    return this.#read(4, (view, at) => view.getInt32(at, true));
  }

  f32(): number {
    return this.#read(4, (view, at) => view.getFloat32(at, true));
  }

  f64(): number {
    return this.#read(8, (view, at) => view.getFloat64(at, true));
  }

  /** A bigint only where a number would not hold it. */
  u64(): number | bigint {
    return narrow(this.#read(8, (view, at) => view.getBigUint64(at, true)));
  }

  i64(): number | bigint {
    return narrow(this.#read(8, (view, at) => view.getBigInt64(at, true)));
  }

  /** A count or size of at most `most`. */
  count(most: number, what: string): number {
    const value = this.u64();
    if (typeof value === 'bigint' || value > most)
      throw this.error(`says ${what} is ${value}, at most ${most} is allowed`);
    return value;
  }

  /** A length and that many bytes of UTF-8. */
  text(bytesMax: number, what: string): string {
    const length = this.count(bytesMax, `the length of ${what}`);
    const start = this.#advance(length);
    try {
      return this.#decoder.decode(this.#window.subarray(start, start + length));
    } catch {
      throw this.error(`has ${what} that is not UTF-8`);
    }
  }

  /** Throws unless this many bytes are left. */
  require(bytes: number, what: string): void {
    if (bytes <= this.end - this.position) return;
    throw this.error(
      `is truncated: ${what} ends at byte ${this.position + bytes}, the file at byte ${this.source.bytes}`,
    );
  }

  error(problem: string): ModelError {
    return new ModelError(this.source.file, `${problem} (near byte ${this.position})`);
  }

  #read<T>(bytes: number, get: (view: DataView, at: number) => T): T {
    const at = this.#advance(bytes);
    return get(this.#view, at);
  }

  /** Makes the next bytes readable and passes them. @returns Where they begin in the window. */
  #advance(bytes: number): number {
    let start = this.position - this.#windowStart;
    if (start + bytes > this.#window.byteLength) {
      this.require(bytes, 'its header');
      const length = Math.min(Math.max(bytes, WINDOW_BYTES), this.end - this.position);
      this.#window = this.source.read(this.position, length);
      this.#view = new DataView(this.#window.buffer, this.#window.byteOffset, this.#window.byteLength);
      this.#windowStart = this.position;
      start = 0;
    }
    this.position += bytes;
    return start;
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
