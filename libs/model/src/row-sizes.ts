// Bytes of the rows that processes exchange: of the KV cache, and of hidden states on their way to experts and back. They follow from the
// policy (docs/numerics.md). Native code has the same sizes in executor/kv/cache_layout.h and executor/model_spec.h. A test compares those of
// the cache; slots that are too small for a row are refused when an executor is made.
import type { ModelSpec, NumericPolicy } from './spec.js';

const fp32Bytes = 4;

/** `count` numbers in INT8, padded to a multiple of 4, and their scale. */
const int8RowBytes = (count: number) => Math.ceil(count / 4) * 4 + fp32Bytes;

/** A position of one layer in the KV cache: latent and rotated key in MLA, keys and values of all heads in GQA. */
export function cacheRowBytes(spec: ModelSpec, policy: NumericPolicy): number {
  const isMla = spec.attention === 'mla';
  const keyFloats = isMla ? spec.qkRopeHeadDim : spec.headDim;
  const valueSize = isMla ? spec.kvLoraRank : spec.vHeadDim;
  const valueBytes = policy === 'w8a8' ? int8RowBytes(valueSize) : valueSize * fp32Bytes;
  return (isMla ? 1 : spec.numKvHeads) * (keyFloats * fp32Bytes + valueBytes);
}

/** A hidden state as experts get it and answer it. In INT8 a multiple of 16. */
export function expertRowBytes(spec: ModelSpec, policy: NumericPolicy): number {
  return policy === 'w8a8' ? Math.ceil(int8RowBytes(spec.hiddenSize) / 16) * 16 : spec.hiddenSize * fp32Bytes;
}
