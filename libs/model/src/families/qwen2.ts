// Qwen2 and Qwen2.5, dense: GQA with biases of queries, keys and values.
// Source: transformers, models/qwen2.
import { commonFields, commonOnly, commonOptional, type Family } from '../family.js';
import { qwen2 as gguf } from '../gguf/architectures.js';

export const qwen2: Family = {
  name: 'qwen2',
  architecture: 'Qwen2ForCausalLM',
  modelType: 'qwen2',
  required: [...commonFields, 'num_key_value_heads', 'intermediate_size'],
  optional: {
    ...commonOptional,
    head_dim: null,
    layer_types: null,
    sliding_window: null,
    use_sliding_window: false,
    max_window_layers: 0,
    rope_theta: 10_000,
  },
  only: commonOnly,
  attention: {
    kind: 'gqa',
    qkNorm: 'none',
    hasQkvBias: true,
    hasOutputBias: false,
    window: 'use_sliding_window',
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: null,
  gguf,
};
