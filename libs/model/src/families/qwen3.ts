// Qwen3, dense: GQA with a norm of each query and key head.
// Source: transformers, models/qwen3.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias, wholeHeads } from '../family.js';
import { qwen3 as gguf } from '../gguf/architectures.js';

export const qwen3: Family = {
  name: 'qwen3',
  architecture: 'Qwen3ForCausalLM',
  modelType: 'qwen3',
  required: [...commonFields, 'num_key_value_heads', 'intermediate_size'],
  optional: {
    ...commonOptional,
    head_dim: 128,
    attention_bias: false,
    sliding_window: 4096,
    use_sliding_window: false,
    max_window_layers: 28,
    rope_theta: 10_000,
  },
  only: { ...commonOnly, ...wholeHeads, ...noFfnBias },
  attention: {
    kind: 'gqa',
    qkNorm: 'head',
    hasQkvBias: { field: 'attention_bias' },
    hasOutputBias: { field: 'attention_bias' },
    window: { isOptional: true, layers: 'upper' },
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: null,
  gguf,
};
