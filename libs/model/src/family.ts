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
  /** Fields of which some values only are supported, those listed; absent counts as supported unless it says otherwise. */
  only: Record<string, readonly unknown[]>;

  attention: GqaFamily | MlaFamily;
  /** Interleaved pairs are (2i, 2i + 1). */
  ropeInterleaved: boolean;
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
  /** `sliding_window`: applies to all layers. `use_sliding_window`: only where that says so, from max_window_layers on. */
  window: 'none' | 'sliding_window' | 'use_sliding_window';
}

export interface MlaFamily {
  kind: 'mla';
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
  /** Which layers have a dense FFN: the first k, those that the pair of Qwen's fields names, or none. */
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
} as const satisfies ConfigValues;

/** Activations: every family here gates its FFN by SiLU. */
export const commonOnly = { hidden_act: ['silu'] } as const;
