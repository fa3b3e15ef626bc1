// Qwen3-MoE: GQA with a norm of each query and key head, softmax router.
// Source: transformers, models/qwen3_moe.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias, wholeHeads } from '../family.js';
import { qwen3moe } from '../gguf/architectures.js';

export const qwen3Moe: Family = {
  name: 'qwen3-moe',
  architecture: 'Qwen3MoeForCausalLM',
  modelType: 'qwen3_moe',
  required: [
    ...commonFields,
    'num_key_value_heads',
    'moe_intermediate_size',
    'num_experts',
    'num_experts_per_tok',
    'norm_topk_prob',
  ],
  optional: {
    ...commonOptional,
    head_dim: null,
    intermediate_size: undefined,
    attention_bias: false,
    decoder_sparse_step: 1,
    mlp_only_layers: null,
    sliding_window: 4096,
    use_sliding_window: false,
    rope_theta: 10_000,
  },
  aliases: { num_local_experts: 'num_experts' },
  only: { ...commonOnly, ...wholeHeads, ...noFfnBias, scoring_func: ['softmax'] },
  attention: {
    kind: 'gqa',
    qkNorm: 'head',
    hasQkvBias: { field: 'attention_bias' },
    hasOutputBias: { field: 'attention_bias' },
    window: { isOptional: true, layers: 'all' },
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: {
    numExperts: 'num_experts',
    width: 'moe_intermediate_size',
    router: 'softmax',
    hasRouterBias: false,
    normTopkProb: { field: 'norm_topk_prob' },
    groupScore: null,
    shared: null,
    dense: 'mlp_only_layers',
  },
  gguf: qwen3moe,
};
