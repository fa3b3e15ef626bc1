// DeepSeek-V3 and R1: MLA with a low-rank query, sigmoid router with groups and a bias, an MTP layer.
// Source: transformers, models/deepseek_v3; the MTP layer as in DeepSeek's own checkpoints, moe_layer_freq as in their code.
import { commonFields, commonOnly, commonOptional, type Family, noFfnBias, wholeHeads } from '../family.js';
import { deepseek2 } from '../gguf/architectures.js';

export const deepseekV3: Family = {
  name: 'deepseek-v3',
  architecture: 'DeepseekV3ForCausalLM',
  modelType: 'deepseek_v3',
  required: [
    ...commonFields,
    'q_lora_rank',
    'kv_lora_rank',
    'qk_nope_head_dim',
    'qk_rope_head_dim',
    'v_head_dim',
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
    num_key_value_heads: null,
    num_nextn_predict_layers: 0,
    num_mtp_layers: 0,
    moe_layer_freq: 1,
    attention_bias: false,
    rope_interleave: true,
    rope_theta: undefined,
  },
  only: {
    ...commonOnly,
    ...wholeHeads,
    ...noFfnBias,
    scoring_func: ['sigmoid'],
    topk_method: ['noaux_tc'],
  },
  attention: { kind: 'mla', hasBias: { field: 'attention_bias' }, latentNormEps: 1e-6 },
  ropeInterleaved: { field: 'rope_interleave' },
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
  gguf: deepseek2,
};
