// DeepSeek-V2 and V2-Lite: MLA with or without a low-rank query, softmax router, groups chosen by their best expert.
// Source: transformers, models/deepseek_v2. Normalised weights are left out there and in no published checkpoint; moe_layer_freq,
// which is left out there too, is as in deepseek-ai/DeepSeek-V2, modeling_deepseek.py.
import { commonFields, commonOnly, commonOptional, type Family, wholeHeads } from '../family.js';
import { deepseek2 } from '../gguf/architectures.js';

export const deepseekV2: Family = {
  name: 'deepseek-v2',
  architecture: 'DeepseekV2ForCausalLM',
  modelType: 'deepseek_v2',
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
    'first_k_dense_replace',
  ],
  optional: {
    ...commonOptional,
    num_key_value_heads: null,
    n_group: 1,
    topk_group: 1,
    topk_method: 'greedy',
    moe_layer_freq: 1,
    attention_bias: false,
    mlp_bias: false,
    routed_scaling_factor: 1,
    rope_theta: undefined,
  },
  only: {
    ...commonOnly,
    ...wholeHeads,
    scoring_func: ['softmax'],
    norm_topk_prob: [false, null],
    rope_interleave: [null, true],
  },
  attention: { kind: 'mla', hasBias: { field: 'attention_bias' }, latentNormEps: 1e-6 },
  ropeInterleaved: true,
  hasFfnBias: { field: 'mlp_bias' },
  moe: {
    numExperts: 'n_routed_experts',
    width: 'moe_intermediate_size',
    router: 'softmax',
    hasRouterBias: false,
    normTopkProb: false,
    groupScore: 'max',
    shared: 'n_shared_experts',
    dense: 'first_k_dense_replace',
  },
  gguf: {
    ...deepseek2,
    when: { key: 'expert_gating_func', isOneOf: [undefined, 0, 1] },
    // With one group, which is what files without the key have, this is the greedy choice.
    constants: { ...deepseek2.constants, topk_method: 'group_limited_greedy' },
  },
};
