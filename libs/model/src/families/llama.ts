// Llama 2 and 3 and the many dense models of their shape.
// Source: transformers, models/llama.
import { commonFields, commonOnly, commonOptional, type Family, wholeHeads } from '../family.js';
import { llama as gguf } from '../gguf/architectures.js';

export const llama: Family = {
  name: 'llama',
  architecture: 'LlamaForCausalLM',
  modelType: 'llama',
  required: [...commonFields, 'intermediate_size'],
  optional: {
    ...commonOptional,
    num_key_value_heads: null,
    head_dim: null,
    attention_bias: false,
    mlp_bias: false,
    rope_theta: 10_000,
  },
  only: { ...commonOnly, ...wholeHeads },
  attention: {
    kind: 'gqa',
    qkNorm: 'none',
    hasQkvBias: { field: 'attention_bias' },
    hasOutputBias: { field: 'attention_bias' },
    window: null,
  },
  ropeInterleaved: false,
  hasFfnBias: { field: 'mlp_bias' },
  moe: null,
  gguf,
};
