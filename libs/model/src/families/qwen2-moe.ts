// Qwen2-MoE: GQA with biases of queries, keys and values; softmax router; one shared expert behind a gate.
// Source: transformers, models/qwen2_moe.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias, wholeHeads } from '../family.js';
import { qwen2moe } from '../gguf/architectures.js';

export const qwen2Moe: Family = {
  name: 'qwen2-moe',
  architecture: 'Qwen2MoeForCausalLM',
  modelType: 'qwen2_moe',
  required: [
    ...commonFields,
    'num_key_value_heads',
    'moe_intermediate_size',
    'shared_expert_intermediate_size',
    'num_experts',
    'num_experts_per_tok',
    'norm_topk_prob',
  ],
  optional: {
    ...commonOptional,
    head_dim: null,
    intermediate_size: undefined,
    qkv_bias: true,
    decoder_sparse_step: 1,
    mlp_only_layers: null,
    sliding_window: 4096,
    use_sliding_window: false,
    max_window_layers: 28,
    rope_theta: 10_000,
  },
  only: { ...commonOnly, ...wholeHeads, ...noFfnBias, scoring_func: ['softmax'] },
  attention: {
    kind: 'gqa',
    qkNorm: 'none',
    hasQkvBias: { field: 'qkv_bias' },
    hasOutputBias: false,
    window: { isOptional: true, layers: 'even-lower' },
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
    shared: 'shared_expert_intermediate_size',
    dense: 'mlp_only_layers',
  },
  names: {
    'model.layers.{layer}.mlp.shared_experts.gate_proj.weight':
      'model.layers.{layer}.mlp.shared_expert.gate_proj.weight',
    'model.layers.{layer}.mlp.shared_experts.up_proj.weight': 'model.layers.{layer}.mlp.shared_expert.up_proj.weight',
    'model.layers.{layer}.mlp.shared_experts.down_proj.weight':
      'model.layers.{layer}.mlp.shared_expert.down_proj.weight',
  },
  gguf: qwen2moe,
};
