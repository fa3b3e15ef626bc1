// OLMoE: GQA with a norm over all query and all key heads, softmax router, experts in every layer.
// Source: transformers, models/olmoe.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias, wholeHeads } from '../family.js';
import { olmoe as gguf } from '../gguf/architectures.js';

export const olmoe: Family = {
  name: 'olmoe',
  architecture: 'OlmoeForCausalLM',
  modelType: 'olmoe',
  required: [...commonFields, 'intermediate_size', 'num_experts', 'num_experts_per_tok'],
  optional: {
    ...commonOptional,
    num_key_value_heads: null,
    head_dim: null,
    norm_topk_prob: false,
    attention_bias: false,
    rope_theta: 10_000,
  },
  only: { ...commonOnly, ...wholeHeads, ...noFfnBias, scoring_func: ['softmax'], clip_qkv: [null] },
  attention: {
    kind: 'gqa',
    qkNorm: 'full',
    hasQkvBias: { field: 'attention_bias' },
    hasOutputBias: { field: 'attention_bias' },
    window: null,
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: {
    numExperts: 'num_experts',
    width: 'intermediate_size',
    router: 'softmax',
    hasRouterBias: false,
    normTopkProb: { field: 'norm_topk_prob' },
    groupScore: null,
    shared: null,
    dense: null,
  },
  gguf,
};
