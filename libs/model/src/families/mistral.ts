// Mistral: Llama without biases, in some models with a sliding window.
// Source: transformers, models/mistral.
import {
  commonFields,
  commonOnly,
  commonOptional,
  type Family,
  noAttentionBias,
  noFfnBias,
  wholeHeads,
} from '../family.js';

export const mistral: Family = {
  name: 'mistral',
  architecture: 'MistralForCausalLM',
  modelType: 'mistral',
  required: [...commonFields, 'num_key_value_heads', 'intermediate_size'],
  optional: { ...commonOptional, head_dim: null, sliding_window: 4096, rope_theta: 10_000 },
  only: { ...commonOnly, ...wholeHeads, ...noAttentionBias, ...noFfnBias },
  attention: {
    kind: 'gqa',
    qkNorm: 'none',
    hasQkvBias: false,
    hasOutputBias: false,
    window: { isOptional: false, layers: 'all' },
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: null,
  gguf: null,
};
