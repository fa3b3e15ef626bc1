// Qwen2 and Qwen2.5, dense: GQA with biases of queries, keys and values.
// Source: transformers, models/qwen2.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias, wholeHeads } from '../family.js';
import { qwen2 as gguf } from '../gguf/architectures.js';

export const qwen2: Family = {
  name: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  modelType: 'qwen2',
  required: [...commonFields, 'num_key_value_heads', 'intermediate_size'],
  optional: {
    ...commonOptional,
    head_dim: null,
    sliding_window: 4096,
    use_sliding_window: false,
    max_window_layers: 28,
    rope_theta: 10_000,
  },
  only: { ...commonOnly, ...wholeHeads, ...noFfnBias },
  attention: {
    kind: 'gqa',
    qkNorm: 'none',
    hasQkvBias: true,
    hasOutputBias: false,
    window: { isOptional: true, layers: 'upper' },
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: null,
  gguf,
};
