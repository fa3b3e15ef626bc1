// The form of a file in the cache: JSON and a few arrays of bytes under their SHA-256, so that a file that was cut, mixed up or changed is
// none. Used by memo.ts. Layout, little-endian:
//   magic[8] | version u32 | numArrays u32 | SHA-256 of all that follows [32] | jsonBytes u32, arrayBytes u32 each | JSON | arrays
// JSON and each array begin on a boundary of 8 bytes, so that arrays of numbers are read where they lie.
import { createHash } from 'node:crypto';

export interface Sealed {
  json: unknown;
  arrays: Uint8Array[];
}

const MAGIC = Buffer.from('SWYMEMO\0', 'latin1');
const HASH_AT = 16;
const SIZES_AT = 48;
const NUM_ARRAYS_MAX = 64;

const roundUp = (bytes: number) => Math.ceil(bytes / 8) * 8;

/** @param version Of what JSON and arrays mean: unseal() takes no other. */
export function seal({ json, arrays }: Sealed, version: number): Buffer {
  const parts = [Buffer.from(JSON.stringify(json)), ...arrays];
  const starts = startsOf(parts.map((part) => part.byteLength));
  const file = Buffer.alloc(starts[parts.length] as number);
  MAGIC.copy(file);
  file.writeUInt32LE(version, 8);
  file.writeUInt32LE(arrays.length, 12);
  parts.forEach((part, i) => {
    file.writeUInt32LE(part.byteLength, SIZES_AT + 4 * i);
    file.set(part, starts[i] as number);
  });
  hashOf(file).copy(file, HASH_AT);
  return file;
}

/** Null for what is no whole file of this version. The arrays lie in `file`, which has to begin on a boundary of 8 bytes. */
export function unseal(file: Buffer, version: number): Sealed | null {
  if (file.byteLength < SIZES_AT + 4 || !MAGIC.equals(file.subarray(0, MAGIC.length))) return null;
  const numArrays = file.readUInt32LE(12);
  if (file.readUInt32LE(8) !== version || numArrays > NUM_ARRAYS_MAX) return null;
  if (file.byteLength < SIZES_AT + 4 * (1 + numArrays)) return null;
  const sizes = Array.from({ length: 1 + numArrays }, (_, i) => file.readUInt32LE(SIZES_AT + 4 * i));
  const starts = startsOf(sizes);
  if (starts[sizes.length] !== file.byteLength || !hashOf(file).equals(file.subarray(HASH_AT, SIZES_AT))) return null;
  const [json = new Uint8Array(), ...arrays] = sizes.map((size, i) => {
    return new Uint8Array(file.buffer, file.byteOffset + (starts[i] as number), size);
  });
  return { json: JSON.parse(new TextDecoder().decode(json)), arrays };
}

/** Where each part begins, and at last where the file ends. */
function startsOf(sizes: readonly number[]): number[] {
  const starts = [roundUp(SIZES_AT + 4 * sizes.length)];
  for (const [i, size] of sizes.entries()) starts.push((starts[i] as number) + roundUp(size));
  return starts;
}

/** Covers the number of arrays too, since it decides where they begin. */
function hashOf(file: Buffer): Buffer {
  return createHash('sha256').update(file.subarray(8, HASH_AT)).update(file.subarray(SIZES_AT)).digest();
}
