// In which numeric policy a model is served (docs/decisions/0020-w8a8.md). Called when its description is opened.
import type { ModelSpec, NumericPolicy } from './spec.js';

/**
 * `w8a8` for checkpoints whose makers hold INT8 activations with a scale a token to be harmless, and whose INT8 weights have a scale for
 * each row at least; `fp32` for all others, whose quantised weights are widened.
 */
export function numericPolicyOf({ quantization }: Pick<ModelSpec, 'quantization'>): NumericPolicy {
  if (typeof quantization !== 'object' || quantization.dtype !== 'I8') return 'fp32';
  const hasRowScales = quantization.sharing === 'row' || quantization.sharing === 'matrix';
  return hasRowScales && quantization.activations === 'int8-token' ? 'w8a8' : 'fp32';
}
