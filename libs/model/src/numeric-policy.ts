// In which numeric policy a model is served (docs/decisions/0020-w8a8.md, 0021-block-a8.md, 0026-bf16-products.md). Called when its
// description is opened.
import { ModelError } from './error.js';
import { type ModelSpec, type NumericPolicy, numericPolicies, type WeightPlan, type WeightTensor } from './spec.js';

/** What may be asked for; `auto` is the checkpoint's own policy. */
export const policyChoices = ['auto', ...numericPolicies] as const;
export type PolicyChoice = (typeof policyChoices)[number];

type Quantised = Pick<ModelSpec, 'quantization'>;

/**
 * The checkpoint's own policy: `w8a8` for those whose makers hold INT8 activations with a scale a token to be harmless, and whose INT8
 * weights have a scale for each row at least; `block-a8` for GGUF files with matrices in blocks; `fp32` for all others, whose
 * quantised weights are widened.
 */
export function numericPolicyOf({ quantization }: Quantised): NumericPolicy {
  if (quantization === 'gguf') return 'block-a8';
  if (typeof quantization !== 'object' || quantization.dtype !== 'I8') return 'fp32';
  const hasRowScales = quantization.sharing === 'row' || quantization.sharing === 'matrix';
  return hasRowScales && quantization.activations === 'int8-token' ? 'w8a8' : 'fp32';
}

/**
 * The policy that was asked for. Every model can be served in `fp32`; those with matrices in bf16 in `bf16`, where they run as such.
 *
 * @throws ModelError for one that the checkpoint is not made for, with those that it can be served in.
 */
export function choosePolicy(spec: Quantised, weights: WeightPlan, choice: PolicyChoice = 'auto'): NumericPolicy {
  const own = numericPolicyOf(spec);
  if (choice === 'auto') return own;
  const possible = new Set([own, 'fp32']);
  if (spec.quantization === 'none' && weights.tensors.some(isBf16Matrix)) possible.add('bf16');
  if (possible.has(choice)) return choice;
  throw new ModelError('policy', `is ${choice}, this checkpoint can be served in ${[...possible].join(' or ')}`);
}

const isBf16Matrix = ({ dtype, shape }: WeightTensor): boolean => dtype === 'BF16' && shape.length > 1;
