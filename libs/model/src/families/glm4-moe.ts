// GLM-4.5-MoE: GQA with half of each head turned, biases, a norm of query and key heads in some; DeepSeek-V3's router and MTP.
// Source: transformers, models/glm4_moe; the MTP layer as in the published checkpoints.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias } from '../family.js';
import { glm4moe } from '../gguf/architectures.js';

export const glm4Moe: Family = {
  name: 'glm4-moe',
  architecture: 'Glm4MoeForCausalLM',
  modelType: 'glm4_moe',
  required: [
    ...commonFields,
    'num_key_value_heads',
    'intermediate_size',
    'moe_intermediate_size',
    'n_routed_experts',
    'num_experts_per_tok',
    'n_shared_experts',
    'n_group',
    'topk_group',
    'routed_scaling_factor',
    'norm_topk_prob',
    'first_k_dense_replace',
  ],
  optional: {
    ...commonOptional,
    head_dim: null,
    attention_bias: false,
    use_qk_norm: false,
    partial_rotary_factor: 0.5,
    num_nextn_predict_layers: 0,
    num_mtp_layers: 0,
    rope_theta: 10_000,
  },
  only: { ...commonOnly, ...noFfnBias, scoring_func: ['sigmoid'], topk_method: ['noaux_tc'], moe_layer_freq: [1] },
  attention: {
    kind: 'gqa',
    qkNorm: { headIf: 'use_qk_norm' },
    hasQkvBias: { field: 'attention_bias' },
    hasOutputBias: false,
    window: null,
  },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: {
    numExperts: 'n_routed_experts',
    width: 'moe_intermediate_size',
    router: 'sigmoid',
    hasRouterBias: true,
    normTopkProb: { field: 'norm_topk_prob' },
    groupScore: 'top2-sum',
    shared: 'n_shared_experts',
    dense: 'first_k_dense_replace',
  },
  gguf: glm4moe,
};
