// Q8_0 as llama.cpp defines it: blocks of 32 numbers, an fp16 scale and 32 int8. Pure.
// Source: ggml-quants.c, quantize_row_q8_0_ref.
import { Q8_BLOCK, Q8_BLOCK_BYTES } from './shape.js';

const INT8_MAX = 127;

/** @param values A whole number of blocks. */
export function quantiseQ8(values: Float32Array): Uint8Array {
  if (values.length % Q8_BLOCK !== 0) throw new Error(`${values.length} numbers are no whole number of Q8_0 blocks`);
  const numBlocks = values.length / Q8_BLOCK;
  const bytes = new Uint8Array(numBlocks * Q8_BLOCK_BYTES);
  const quantised = new Int8Array(bytes.buffer);
  const view = new DataView(bytes.buffer);
  for (let block = 0; block < numBlocks; block++) {
    const first = block * Q8_BLOCK;
    const at = block * Q8_BLOCK_BYTES;
    let largest = 0;
    for (let i = 0; i < Q8_BLOCK; i++) largest = Math.max(largest, Math.abs(values[first + i] as number));
    const scale = Math.fround(largest / INT8_MAX);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    view.setUint16(at, toHalf(scale), true);
    for (let i = 0; i < Q8_BLOCK; i++) {
      const scaled = Math.fround((values[first + i] as number) * inverse);
      quantised[at + 2 + i] = scaled < 0 ? scaled - 0.5 : scaled + 0.5; // cut: roundf, halves away from zero
    }
  }
  return bytes;
}

const HALF_MANTISSA = 10;
const HALF_EXPONENT_MIN = -14;
const HALF_BIAS = 15;
const HALF_INFINITY = 0x7c00;

/** Bits of the fp16 number nearest to a number >= 0, ties to even. */
export function toHalf(value: number): number {
  if (value === 0) return 0;
  const exponent = Math.max(Math.floor(Math.log2(value)), HALF_EXPONENT_MIN);
  // In units of the last place; a mantissa that overflows carries into the exponent, as it should.
  const units = roundToEven(value * 2 ** (HALF_MANTISSA - exponent));
  const hidden = 1 << HALF_MANTISSA;
  const bits = units < hidden ? units : ((exponent + HALF_BIAS) << HALF_MANTISSA) + (units - hidden);
  return Math.min(bits, HALF_INFINITY);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
