// Sizes of the types that tensors are stored in. Used by the readers of safetensors and GGUF and by the weight plan.
// Block types: ggml-common.h of llama.cpp (block_q4_0 and its siblings).
import type { GgufDtype, PlainDtype, TensorDtype } from './spec.js';

/** `blockElements` neighbours of a row are stored together in `blockBytes`. */
export interface DtypeLayout {
  blockElements: number;
  blockBytes: number;
}

const element = (bytes: number): DtypeLayout => ({ blockElements: 1, blockBytes: bytes });
const block = (blockElements: number, blockBytes: number): DtypeLayout => ({ blockElements, blockBytes });

export const plainDtypes: Record<PlainDtype, DtypeLayout> = { BF16: element(2), F16: element(2), F32: element(4) };

export const ggufDtypes: Record<GgufDtype, DtypeLayout> = {
  Q8_0: block(32, 34),
  Q4_0: block(32, 18),
  Q4_1: block(32, 20),
  Q5_0: block(32, 22),
  Q5_1: block(32, 24),
  Q4_K: block(256, 144),
  Q5_K: block(256, 176),
  Q6_K: block(256, 210),
};

const layouts: Record<TensorDtype, DtypeLayout> = {
  ...plainDtypes,
  ...ggufDtypes,
  F8_E4M3: element(1),
  I8: element(1),
};

export function dtypeLayout(dtype: TensorDtype): DtypeLayout {
  return layouts[dtype];
}

export function isPlain(dtype: TensorDtype): dtype is PlainDtype {
  return Object.hasOwn(plainDtypes, dtype);
}

export function isGguf(dtype: TensorDtype): dtype is GgufDtype {
  return Object.hasOwn(ggufDtypes, dtype);
}

/** Bytes of a tensor; undefined when its rows do not consist of whole blocks or no number holds the size. */
export function tensorBytes(dtype: TensorDtype, shape: readonly number[]): number | undefined {
  const { blockElements, blockBytes } = layouts[dtype];
  if ((shape.at(-1) ?? 1) % blockElements !== 0) return undefined;
  const elements = shape.reduce((product, dim) => product * dim, 1);
  const bytes = (elements / blockElements) * blockBytes;
  return Number.isSafeInteger(elements) && Number.isSafeInteger(bytes) ? bytes : undefined;
}
