// Every field of a config.json that some family reads, with its type and bounds. Bounds are far above every published model.
// Families say which of them they read (family.ts); a field that a family's own code does not read is ignored, as it does.
import { z } from 'zod';

const count = (max: number) => z.int().min(1).max(max);
const even = (schema: z.ZodInt) => schema.refine((dim) => dim % 2 === 0, 'must be even: rotary positions turn pairs');
const tokenId = z.int().min(0);
const NUM_LAYERS_MAX = 1024;

const mtpLayers = z.int().min(0).max(1, 'more than one MTP layer is not supported').nullable();

/** One end-of-sequence token, or several. */
export const tokenIds = z.union([tokenId, z.array(tokenId).min(1).max(64)]);

export const configFields = {
  vocab_size: count(1 << 21),
  hidden_size: count(1 << 16),
  num_hidden_layers: count(NUM_LAYERS_MAX),
  rms_norm_eps: z.number().positive().max(0.1),
  max_position_embeddings: count(1 << 24),
  tie_word_embeddings: z.boolean(),
  num_nextn_predict_layers: mtpLayers,
  num_mtp_layers: mtpLayers,
  eos_token_id: tokenIds.nullable(),

  num_attention_heads: count(1024),
  num_key_value_heads: count(1024).nullable(),
  head_dim: count(4096).nullable(),
  q_lora_rank: count(1 << 16).nullable(),
  kv_lora_rank: count(1 << 16),
  qk_nope_head_dim: count(4096),
  qk_rope_head_dim: even(count(4096)),
  v_head_dim: count(4096),
  attention_bias: z.boolean(),
  qkv_bias: z.boolean(),
  use_qk_norm: z.boolean(),
  /** 0: none. */
  sliding_window: z
    .int()
    .min(0)
    .max(1 << 24)
    .nullable(),
  use_sliding_window: z.boolean(),
  max_window_layers: z.int().min(0).max(NUM_LAYERS_MAX),
  /** Of MiniMax: 0 would be linear attention. */
  attn_type_list: z.array(z.literal(1)).max(NUM_LAYERS_MAX).nullable(),
  layer_types: z
    .array(z.enum(['full_attention', 'sliding_attention']))
    .max(NUM_LAYERS_MAX)
    .nullable(),

  rope_interleave: z.boolean().nullable(),
  original_max_position_embeddings: count(1 << 24).nullable(),
  rope_theta: z.number().min(1).max(1e9),
  partial_rotary_factor: z.number().positive().max(1).nullable(),
  rotary_dim: even(count(4096)),

  intermediate_size: count(1 << 18),
  mlp_bias: z.boolean(),
  moe_intermediate_size: count(1 << 18),
  shared_expert_intermediate_size: count(1 << 18),
  n_routed_experts: count(4096),
  num_experts: count(4096),
  num_local_experts: count(4096),
  num_experts_per_tok: count(64),
  n_shared_experts: z.int().min(0).max(64).nullable(),
  n_group: count(256).nullable(),
  topk_group: count(256).nullable(),
  topk_method: z.enum(['greedy', 'group_limited_greedy']),
  routed_scaling_factor: z.number().positive().max(1000),
  norm_topk_prob: z.boolean(),
  first_k_dense_replace: z.int().min(0).max(NUM_LAYERS_MAX),
  moe_layer_freq: count(NUM_LAYERS_MAX),
  decoder_sparse_step: count(NUM_LAYERS_MAX),
  mlp_only_layers: z.array(z.int().min(0).max(NUM_LAYERS_MAX)).max(NUM_LAYERS_MAX).nullable(),
};

export type ConfigField = keyof typeof configFields;

/** What a family's configuration holds once it was checked: fields that the family does not read are absent. */
export type ConfigValues = { [Field in ConfigField]?: z.infer<(typeof configFields)[Field]> | undefined };

/** Fields that every family reads in one way. */
export const dtypeField = z.enum(['bfloat16', 'float16', 'float32']).nullish();
