// What a GGUF file stores otherwise than a config.json of the same model says: taken over into the ModelSpec. Called by gguf/config.ts.
import { isPlain } from '../dtype.js';
import { ModelError } from '../error.js';
import type { ModelSpec, RopeScaling } from '../spec.js';
import type { ArchitectureKeys } from './architecture-keys.js';
import type { GgufFamily } from './family.js';
import type { GgufHeader } from './header.js';
import type { TensorShapes } from './tensor-shapes.js';
import { windowOf } from './window.js';

/**
 * @param spec As the fields of the metadata describe the model.
 * @throws ModelError at the key of what contradicts the spec.
 */
export function applyOverrides(
  spec: ModelSpec,
  family: GgufFamily,
  keys: ArchitectureKeys,
  shapes: TensorShapes,
  { tensors }: GgufHeader,
): ModelSpec {
  checkValueLength(spec, keys);
  return {
    ...spec,
    ...windowOf(keys, spec, family.hasWindow),
    ropeInterleaved: family.ropeInterleaved,
    ropeScaling: ropeScalingOf(spec, shapes, keys),
    rotaryDim: rotaryDimOf(spec, keys),
    hasSplitKvB: spec.attention === 'mla' && shapes.has('blk.0.attn_k_b.weight'),
    quantization: tensors.some(({ dtype }) => !isPlain(dtype)) ? 'gguf' : 'none',
  };
}

/** Values are as wide as keys but in MLA. */
function checkValueLength(spec: ModelSpec, keys: ArchitectureKeys): void {
  if (spec.attention === 'mla') return;
  const valueLength = keys.number('attention.value_length') ?? spec.vHeadDim;
  if (valueLength === spec.vHeadDim) return;
  throw new ModelError(keys.name('attention.value_length'), `is ${valueLength}, must be ${spec.vHeadDim}, as keys`);
}

function ropeScalingOf(spec: ModelSpec, shapes: TensorShapes, keys: ArchitectureKeys): RopeScaling {
  if (!shapes.has('rope_freqs.weight')) return spec.ropeScaling;
  if (spec.ropeScaling.type === 'default') return { type: 'tensor' };
  throw new ModelError(
    keys.name('rope.scaling.type'),
    `is ${spec.ropeScaling.type}, and there is rope_freqs.weight too`,
  );
}

/** The whole head without a key, whatever share the family turns by default. */
function rotaryDimOf(spec: ModelSpec, keys: ArchitectureKeys): number {
  if (spec.attention === 'mla') return spec.rotaryDim;
  const rotaryDim = keys.number('rope.dimension_count') ?? spec.headDim;
  const isPossible = Number.isInteger(rotaryDim) && rotaryDim >= 2 && rotaryDim % 2 === 0 && rotaryDim <= spec.headDim;
  if (isPossible) return rotaryDim;
  throw new ModelError(keys.name('rope.dimension_count'), `is ${rotaryDim}, must be even and at most ${spec.headDim}`);
}
