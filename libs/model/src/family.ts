// What a model family is to this library: data that says which fields of a configuration it reads, what they mean, and what
// its files call the tensors of tensor-list.ts. One small file a family in families/; families/index.ts lists them.
import type { ConfigField, ConfigValues } from './config-fields.js';
import type { GgufFamily } from './gguf/family.js';
import type { FamilyName } from './spec.js';

/** A value that all models of a family share, or the field that holds it. */
export type Choice<Value> = Value | { field: ConfigField };

export interface Family {
  name: FamilyName;
  /** In `architectures` of config.json. */
  architecture: string;
  /** In `model_type`; tells families of one architecture apart, of which the first is meant where the field is absent. */
  modelType: string;

  /** Fields that must be there. */
  required: readonly ConfigField[];
  /** Fields that may be left out, with the value they then have: undefined where it follows from other fields. */
  optional: ConfigValues;
  /** Other names that configurations have for fields, which then take their place: transformers knows some by two. */
  aliases?: Readonly<Record<string, ConfigField>>;
  /** Fields of which some values only are supported, those listed; absent counts as supported unless it says otherwise. */
  only: Record<string, readonly unknown[]>;

  attention: GqaFamily | MlaFamily;
  /** Interleaved pairs are (2i, 2i + 1). */
  ropeInterleaved: Choice<boolean>;
  hasFfnBias: Choice<boolean>;
  moe: MoeFamily | null;
  /** Tensor names of safetensors files where they differ from tensor-list.ts: template to template. */
  names?: TensorNames;
  /** null: llama.cpp has no such architecture, or another family of ours reads it. */
  gguf: GgufFamily | null;
}

export interface GqaFamily {
  kind: 'gqa';
  qkNorm: 'none' | 'head' | 'full' | { headIf: ConfigField };
  hasQkvBias: Choice<boolean>;
  hasOutputBias: Choice<boolean>;
  window: WindowFamily | null;
}

/** Sliding windows of the size `sliding_window`. */
export interface WindowFamily {
  /** Whether there are any only where `use_sliding_window` says so. */
  isOptional: boolean;
  /** `upper`: from `max_window_layers` on. `even-lower`: layers of even index below it. The last two go by `layer_types` if there are any. */
  layers: 'all' | 'upper' | 'even-lower';
}

export interface MlaFamily {
  kind: 'mla';
  /** Of q_a_proj, kv_a_proj_with_mqa and o_proj. */
  hasBias: Choice<boolean>;
  /** Of the norms of the latents, which do not go by `rms_norm_eps`. */
  latentNormEps: number;
}

export interface MoeFamily {
  numExperts: ConfigField;
  width: ConfigField;
  router: 'sigmoid' | 'softmax';
  hasRouterBias: boolean;
  normTopkProb: Choice<boolean>;
  /** How experts are chosen in groups, where n_group is above 1 (and topk_method, if there is one, says so). */
  groupScore: 'top2-sum' | 'max' | null;
  /** Several shared experts of the experts' own width, or one of a width of its own with a gate; null without. */
  shared: 'n_shared_experts' | 'shared_expert_intermediate_size' | null;
  /**
   * Which layers have a dense FFN: the first k and those that `moe_layer_freq` leaves out, those that the pair of Qwen's
   * fields names, or none.
   */
  dense: 'first_k_dense_replace' | 'mlp_only_layers' | null;
}

/** Name templates with {layer} and {expert}, by the template of tensor-list.ts. */
export type TensorNames = Readonly<Record<string, string>>;

/** Fields of every family, in `required` and `optional`. */
export const commonFields = [
  'vocab_size',
  'hidden_size',
  'num_hidden_layers',
  'num_attention_heads',
  'rms_norm_eps',
  'max_position_embeddings',
] as const satisfies readonly ConfigField[];

export const commonOptional = {
  eos_token_id: null,
  tie_word_embeddings: false,
  sliding_window: null,
  use_sliding_window: undefined,
  layer_types: null,
  original_max_position_embeddings: null,
} as const satisfies ConfigValues;

/**
 * Fields that change the mathematics of other models and have no meaning in any of these, with the values that change nothing.
 * A configuration that says otherwise is of a model that we would run wrongly.
 */
const foreign = {
  attn_logit_softcapping: [null],
  final_logit_softcapping: [null],
  query_pre_attn_scalar: [null],
  attention_multiplier: [null],
  embedding_multiplier: [null, 1],
  residual_multiplier: [null, 1],
  logits_scaling: [null, 1],
  logit_scale: [null, 1],
  scale_emb: [null, 1],
  attention_chunk_size: [null],
  no_rope_layers: [null],
  rope_local_base_freq: [null],
  alibi: [null, false],
  parallel_attn: [null, false],
  use_parallel_residual: [null, false],
  qk_layernorm: [null, false],
  index_topk: [null],
} as const;

/** Activations, too: every family here gates its FFN by SiLU, which transformers calls by two names. */
export const commonOnly = { ...foreign, hidden_act: ['silu', 'swish'] } as const;

/** Families that turn whole heads: transformers ignores a share of them or fails, others turn that share. */
export const wholeHeads = { partial_rotary_factor: [null, 1] } as const;

export const noAttentionBias = { attention_bias: [null, false] } as const;
export const noFfnBias = { mlp_bias: [null, false] } as const;
