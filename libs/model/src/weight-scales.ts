// Quantised matrices of a checkpoint, held to what the configuration says of them, each with its scales. Used by weight-plan.ts.
import { dtypeLayout, isGguf, isPlain } from './dtype.js';
import { ModelError } from './error.js';
import type { ModelSpec, ScaledWeights, WeightTensor } from './spec.js';
import type { TensorIndex } from './tensor-index.js';

/** Neighbours in a row that share a scale and are not cut apart; 1 where a whole row has one. */
export function blockElements({ dtype, shape, scaleBlock }: WeightTensor): number {
  if (!scaleBlock) return dtypeLayout(dtype).blockElements;
  const [, columns] = scaleBlock;
  return columns < (shape[1] as number) ? columns : 1;
}

/**
 * The tensor with the scales that its type needs.
 *
 * @throws ModelError when it is neither plain floats nor a matrix as the configuration says, or when its scales do not fit.
 */
export function withScales(tensor: WeightTensor, { quantization }: ModelSpec, index: TensorIndex): WeightTensor {
  if (isPlain(tensor.dtype)) return tensor;
  if (tensor.shape.length < 2)
    throw new ModelError(tensor.name, `is a vector of ${tensor.dtype}, must be plain floats`);
  if (quantization === 'gguf' && isGguf(tensor.dtype)) return tensor;
  if (typeof quantization === 'string' || quantization.dtype !== tensor.dtype) {
    const given = typeof quantization === 'string' ? quantization : quantization.dtype;
    throw new ModelError(
      tensor.name,
      `is ${tensor.dtype} in ${tensor.file}, the configuration says ${given} for quantised tensors`,
    );
  }
  const scaleBlock = scaleBlockOf(quantization, tensor.shape);
  const shape = tensor.shape.map((dim, i) => Math.ceil(dim / (scaleBlock[i] as number)));
  return { ...tensor, scales: index.takeScales(tensor, quantization.scaleSuffix, shape), scaleBlock };
}

function scaleBlockOf({ sharing }: ScaledWeights, shape: readonly number[]): [rows: number, columns: number] {
  const [rows = 0, columns = 0] = shape;
  if (sharing === 'matrix') return [rows, columns];
  return sharing === 'row' ? [1, columns] : [sharing[0], sharing[1]];
}
