// What a model family is to this library: the names and shapes of its tensors, as data. One file a family in families/.
// It must not know where tensors lie; weight-plan.ts joins the two.
import type { ModelSpec } from './spec.js';

/** A tensor every model of the family has: its full name and its shape in elements, row-major as stored. */
export interface ExpectedTensor {
  name: string;
  shape: number[];
}

/** Name and shape of one kind of tensor; the name is relative to the layer's or expert's prefix. */
export type TensorPattern = readonly [name: string, shape: (spec: ModelSpec) => number[]];

/** Prefixes the patterns' names and fixes their shapes. */
export function expand(spec: ModelSpec, prefix: string, patterns: readonly TensorPattern[]): ExpectedTensor[] {
  return patterns.map(([name, shape]) => ({ name: prefix + name, shape: shape(spec) }));
}
