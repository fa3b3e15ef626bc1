// MiniMax-M2: GQA with a norm over all query and all key heads, partial rotary; sigmoid router with a bias.
// Source: transformers, models/minimax_m2, and MiniMaxAI/MiniMax-M2, whose MTP modules are not in the checkpoint.
import { commonFields, commonOnly, commonOptional, type Family, noAttentionBias, noFfnBias } from '../family.js';
import { minimaxM2 as gguf } from '../gguf/architectures.js';
import { blockSparseMoe } from './mixtral.js';

export const minimaxM2: Family = {
  name: 'minimax-m2',
  architecture: 'MiniMaxM2ForCausalLM',
  modelType: 'minimax_m2',
  required: [...commonFields, 'num_key_value_heads', 'intermediate_size', 'num_local_experts', 'num_experts_per_tok'],
  optional: {
    ...commonOptional,
    head_dim: 128,
    rotary_dim: undefined,
    attn_type_list: null,
    partial_rotary_factor: undefined,
    rope_theta: 5e6,
  },
  only: {
    ...commonOnly,
    ...noAttentionBias,
    ...noFfnBias,
    scoring_func: ['sigmoid'],
    use_qk_norm: [true],
    qk_norm_type: ['per_layer'],
    use_routing_bias: [true],
    shared_intermediate_size: [0],
  },
  attention: { kind: 'gqa', qkNorm: 'full', hasQkvBias: false, hasOutputBias: false, window: null },
  ropeInterleaved: false,
  hasFfnBias: false,
  moe: {
    numExperts: 'num_local_experts',
    width: 'intermediate_size',
    router: 'sigmoid',
    hasRouterBias: true,
    normTopkProb: true,
    groupScore: null,
    shared: null,
    dense: null,
  },
  names: {
    ...blockSparseMoe,
    'model.layers.{layer}.mlp.gate.e_score_correction_bias':
      'model.layers.{layer}.block_sparse_moe.e_score_correction_bias',
  },
  gguf,
};
