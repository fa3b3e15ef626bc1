// The numbers of a tensor: bf16, the same for the same name whenever they are asked for. Pure.
import { createHash } from 'node:crypto';
import { sizeOf, type TensorPart } from './shape.js';

const BF16_ONE = 0x3f80;

/**
 * Bits of bf16 numbers, `sizeOf(shape)` of them. Random ones are even over (-a, a) with a variance of 1 / columns, which keeps
 * activations near 1 through all layers.
 */
export function weightsOf({ name, shape, fill }: TensorPart): Uint16Array {
  const bits = new Uint16Array(sizeOf(shape));
  if (fill === 'zeros') return bits;
  if (fill === 'ones') return bits.fill(BF16_ONE);
  const amplitude = Math.sqrt(3 / (shape.at(-1) ?? 1));
  const value = new Float32Array(1);
  const valueBits = new Uint32Array(value.buffer);
  let state = createHash('sha256').update(name).digest().readUInt32LE(0);
  for (let i = 0; i < bits.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    value[0] = (state / 2 ** 31 - 1) * amplitude;
    bits[i] = (valueBits[0] as number) >>> 16;
  }
  return bits;
}

/** The same numbers as fp32. */
export function widen(bits: Uint16Array): Float32Array {
  const wide = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) wide[i] = (bits[i] as number) << 16; // Uint32Array.from takes ten times as long
  return new Float32Array(wide.buffer);
}
