// llama.cpp's architectures of our families, as data.
// Source: gguf-py/gguf/constants.py (keys, tensor names), conversion in convert_hf_to_gguf.py, readers in src/llama-model.cpp.
import type { ConfigField } from '../config-fields.js';
import type { TensorNames } from '../family.js';
import type { GgufFamily } from './family.js';

type Fields = Partial<Record<ConfigField, string>>;

const L = 'model.layers.{layer}.';
const B = 'blk.{layer}.';

const baseFields: Fields = {
  hidden_size: 'embedding_length',
  max_position_embeddings: 'context_length',
  num_attention_heads: 'attention.head_count',
  rms_norm_eps: 'attention.layer_norm_rms_epsilon',
  rope_theta: 'rope.freq_base',
};

const gqaFields: Fields = {
  ...baseFields,
  num_key_value_heads: 'attention.head_count_kv',
  head_dim: 'attention.key_length',
};

const expertFields: Fields = { num_experts_per_tok: 'expert_used_count', norm_topk_prob: 'expert_weights_norm' };

const topNames: TensorNames = {
  'model.embed_tokens.weight': 'token_embd.weight',
  'model.norm.weight': 'output_norm.weight',
  'lm_head.weight': 'output.weight',
};

const layerNames: TensorNames = {
  ...topNames,
  [`${L}input_layernorm.weight`]: `${B}attn_norm.weight`,
  [`${L}post_attention_layernorm.weight`]: `${B}ffn_norm.weight`,
  [`${L}self_attn.o_proj.weight`]: `${B}attn_output.weight`,
  [`${L}self_attn.o_proj.bias`]: `${B}attn_output.bias`,
  [`${L}mlp.gate_proj.weight`]: `${B}ffn_gate.weight`,
  [`${L}mlp.up_proj.weight`]: `${B}ffn_up.weight`,
  [`${L}mlp.down_proj.weight`]: `${B}ffn_down.weight`,
  [`${L}mlp.gate_proj.bias`]: `${B}ffn_gate.bias`,
  [`${L}mlp.up_proj.bias`]: `${B}ffn_up.bias`,
  [`${L}mlp.down_proj.bias`]: `${B}ffn_down.bias`,
};

const gqaNames: TensorNames = {
  ...layerNames,
  [`${L}self_attn.q_proj.weight`]: `${B}attn_q.weight`,
  [`${L}self_attn.q_proj.bias`]: `${B}attn_q.bias`,
  [`${L}self_attn.q_norm.weight`]: `${B}attn_q_norm.weight`,
  [`${L}self_attn.k_proj.weight`]: `${B}attn_k.weight`,
  [`${L}self_attn.k_proj.bias`]: `${B}attn_k.bias`,
  [`${L}self_attn.k_norm.weight`]: `${B}attn_k_norm.weight`,
  [`${L}self_attn.v_proj.weight`]: `${B}attn_v.weight`,
  [`${L}self_attn.v_proj.bias`]: `${B}attn_v.bias`,
};

const mlaNames: TensorNames = {
  ...layerNames,
  [`${L}self_attn.q_proj.weight`]: `${B}attn_q.weight`,
  [`${L}self_attn.q_a_proj.weight`]: `${B}attn_q_a.weight`,
  [`${L}self_attn.q_a_layernorm.weight`]: `${B}attn_q_a_norm.weight`,
  [`${L}self_attn.q_b_proj.weight`]: `${B}attn_q_b.weight`,
  [`${L}self_attn.kv_a_proj_with_mqa.weight`]: `${B}attn_kv_a_mqa.weight`,
  [`${L}self_attn.kv_a_layernorm.weight`]: `${B}attn_kv_a_norm.weight`,
  [`${L}self_attn.kv_b_proj.weight`]: `${B}attn_kv_b.weight`,
  [`${L}self_attn.k_b_proj.weight`]: `${B}attn_k_b.weight`,
  [`${L}self_attn.v_b_proj.weight`]: `${B}attn_v_b.weight`,
};

/** The weights of all experts of a layer lie in one tensor, expert after expert. */
const expertNames: TensorNames = {
  [`${L}mlp.gate.weight`]: `${B}ffn_gate_inp.weight`,
  [`${L}mlp.gate.e_score_correction_bias`]: `${B}exp_probs_b.bias`,
  [`${L}mlp.experts.{expert}.gate_proj.weight`]: `${B}ffn_gate_exps.weight`,
  [`${L}mlp.experts.{expert}.up_proj.weight`]: `${B}ffn_up_exps.weight`,
  [`${L}mlp.experts.{expert}.down_proj.weight`]: `${B}ffn_down_exps.weight`,
  [`${L}mlp.shared_experts.gate_proj.weight`]: `${B}ffn_gate_shexp.weight`,
  [`${L}mlp.shared_experts.up_proj.weight`]: `${B}ffn_up_shexp.weight`,
  [`${L}mlp.shared_experts.down_proj.weight`]: `${B}ffn_down_shexp.weight`,
  [`${L}mlp.shared_expert_gate.weight`]: `${B}ffn_gate_inp_shexp.weight`,
};

/** The same in files from before 2024-04, of Mixtral. */
export const expertByExpertNames: TensorNames = {
  [`${L}mlp.experts.{expert}.gate_proj.weight`]: `${B}ffn_gate.{expert}.weight`,
  [`${L}mlp.experts.{expert}.up_proj.weight`]: `${B}ffn_up.{expert}.weight`,
  [`${L}mlp.experts.{expert}.down_proj.weight`]: `${B}ffn_down.{expert}.weight`,
};

const mtpNames: TensorNames = {
  [`${L}enorm.weight`]: `${B}nextn.enorm.weight`,
  [`${L}hnorm.weight`]: `${B}nextn.hnorm.weight`,
  [`${L}eh_proj.weight`]: `${B}nextn.eh_proj.weight`,
  [`${L}embed_tokens.weight`]: `${B}nextn.embed_tokens.weight`,
  [`${L}shared_head.norm.weight`]: `${B}nextn.shared_head_norm.weight`,
  [`${L}shared_head.head.weight`]: `${B}nextn.shared_head_head.weight`,
};

/** Keys that change the mathematics of every architecture here, with the values that do not. */
export const neutralValues: Readonly<Record<string, readonly unknown[]>> = {
  'attention.causal': [undefined, true],
  'attention.clamp_kqv': [undefined, 0],
  'attention.indexer.head_count': [undefined, 0],
  'attention.key_length_swa': [undefined],
  'attention.max_alibi_bias': [undefined, 0],
  'attention.output_scale': [undefined, 0, 1],
  'attention.scale': [undefined, 0],
  'attention.shared_kv_layers': [undefined, 0],
  'attention.temperature_scale': [undefined, 0],
  'rope.dimension_sections': [undefined],
  'rope.freq_base_swa': [undefined],
  'rope.scaling.alpha': [undefined, 0],
  'rope.scaling.yarn_ext_factor': [undefined, 1],
  attn_logit_softcapping: [undefined, 0],
  embedding_scale: [undefined, 0, 1],
  expert_group_scale: [undefined, 0, 1],
  final_logit_softcapping: [undefined, 0],
  interleave_moe_layer_step: [undefined, 0, 1],
  logit_scale: [undefined, 0, 1],
  moe_every_n_layers: [undefined, 0, 1],
  residual_scale: [undefined, 0, 1],
  router_logit_softcapping: [undefined, 0],
  use_parallel_residual: [undefined, false],
};

/** Of routers whose chosen weights always add up to one. */
const normalised = { expert_weights_norm: [undefined, true], expert_weights_scale: [undefined, 0, 1] };

const softmaxOnly = { expert_gating_func: [undefined, 0, 1], expert_weights_scale: [undefined, 0, 1] };

/** What the dense architectures of GQA share; the others say what is different. */
const gqa = {
  fields: { ...gqaFields, intermediate_size: 'feed_forward_length' } as Fields,
  constants: {},
  presence: {},
  only: {},
  ropeInterleaved: false,
  hasWindow: false,
  names: gqaNames,
} satisfies Omit<GgufFamily, 'architecture'>;

/** Llama, Mistral and what else is converted as they are. */
export const llama: GgufFamily = {
  ...gqa,
  architecture: 'llama',
  hasWindow: true,
  when: { key: 'expert_count', isOneOf: [undefined, 0] },
  presence: { attention_bias: 'blk.0.attn_q.bias', mlp_bias: 'blk.0.ffn_gate.bias' },
  ropeInterleaved: true,
};

export const llamaMoe: GgufFamily = {
  ...gqa,
  architecture: 'llama',
  hasWindow: true,
  fields: { ...gqa.fields, ...expertFields, num_local_experts: 'expert_count' },
  only: { ...softmaxOnly, ...normalised },
  ropeInterleaved: true,
  names: { ...gqaNames, ...expertNames },
};

export const qwen2: GgufFamily = { ...gqa, architecture: 'qwen2', hasWindow: true };

export const qwen3: GgufFamily = {
  ...gqa,
  architecture: 'qwen3',
  hasWindow: true,
  presence: { attention_bias: 'blk.0.attn_q.bias' },
};

export const qwen2moe: GgufFamily = {
  ...gqa,
  architecture: 'qwen2moe',
  hasWindow: true,
  fields: {
    ...gqaFields,
    ...expertFields,
    num_experts: 'expert_count',
    moe_intermediate_size: 'expert_feed_forward_length',
    shared_expert_intermediate_size: 'expert_shared_feed_forward_length',
  },
  constants: { norm_topk_prob: false },
  presence: { qkv_bias: 'blk.0.attn_q.bias' },
  only: softmaxOnly,
  names: { ...gqaNames, ...expertNames },
};

export const qwen3moe: GgufFamily = {
  ...gqa,
  architecture: 'qwen3moe',
  hasWindow: true,
  fields: {
    ...gqaFields,
    ...expertFields,
    num_experts: 'expert_count',
    moe_intermediate_size: 'expert_feed_forward_length',
  },
  constants: { norm_topk_prob: true },
  presence: { attention_bias: 'blk.0.attn_q.bias' },
  only: softmaxOnly,
  names: { ...gqaNames, ...expertNames },
};

export const olmoe: GgufFamily = {
  ...gqa,
  architecture: 'olmoe',
  fields: { ...gqa.fields, ...expertFields, num_experts: 'expert_count' },
  constants: { norm_topk_prob: false },
  only: softmaxOnly,
  names: { ...gqaNames, ...expertNames },
};

export const minimaxM2: GgufFamily = {
  ...gqa,
  architecture: 'minimax-m2',
  fields: {
    ...gqaFields,
    ...expertFields,
    num_local_experts: 'expert_count',
    intermediate_size: 'expert_feed_forward_length',
  },
  only: { expert_gating_func: [2], ...normalised },
  names: { ...gqaNames, ...expertNames },
};

const groupedExpertFields: Fields = {
  ...expertFields,
  intermediate_size: 'feed_forward_length',
  moe_intermediate_size: 'expert_feed_forward_length',
  n_routed_experts: 'expert_count',
  n_shared_experts: 'expert_shared_count',
  n_group: 'expert_group_count',
  topk_group: 'expert_group_used_count',
  routed_scaling_factor: 'expert_weights_scale',
  first_k_dense_replace: 'leading_dense_block_count',
  num_nextn_predict_layers: 'nextn_predict_layers',
};

const groupedExpertConstants = { n_group: 1, topk_group: 1, routed_scaling_factor: 1, norm_topk_prob: false };

export const glm4moe: GgufFamily = {
  ...gqa,
  architecture: 'glm4moe',
  fields: { ...gqaFields, ...groupedExpertFields },
  constants: groupedExpertConstants,
  presence: { attention_bias: 'blk.0.attn_q.bias', use_qk_norm: 'blk.0.attn_q_norm.weight' },
  only: { expert_gating_func: [undefined, 0, 2] },
  names: {
    ...gqaNames,
    ...expertNames,
    ...mtpNames,
    [`${L}post_attention_layernorm.weight`]: `${B}post_attention_norm.weight`,
  },
};

/** DeepSeek-V2, V3, R1 and Kimi-K2; which of them follows from the router's function. */
export const deepseek2: GgufFamily = {
  architecture: 'deepseek2',
  when: { key: 'expert_gating_func', isOneOf: [2] },
  fields: {
    ...baseFields,
    ...groupedExpertFields,
    q_lora_rank: 'attention.q_lora_rank',
    kv_lora_rank: 'attention.kv_lora_rank',
    qk_rope_head_dim: 'rope.dimension_count',
  },
  constants: { ...groupedExpertConstants, q_lora_rank: null },
  presence: {},
  only: {},
  ropeInterleaved: true,
  hasWindow: false,
  names: { ...mlaNames, ...expertNames, ...mtpNames },
};
