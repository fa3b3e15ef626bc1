// Turns a Hugging Face config.json (and generation_config.json) into a ModelSpec. Called by libs/model-files.
// A model we would run wrongly must not get past here: every field that changes the mathematics of its family is either
// taken over or refused by name. Fields that the family's own code does not read are ignored, as that code does.
import { z } from 'zod';
import { ModelError } from './error.js';
import { parseWith } from './parse-with.js';
import type { ModelSpec } from './spec.js';

const CONFIG = 'config.json';
const GENERATION = 'generation_config.json';
const NUM_SLICES_MAX = 8;

const count = (max: number) => z.int().min(1).max(max);
const tokenId = z.int().min(0);
const tokenIds = z.union([tokenId, z.array(tokenId).min(1).max(64)]);
const ropeParameters = z.looseObject({ rope_type: z.literal('default').optional(), rope_theta: z.number().optional() });

/** Fields and bounds of DeepseekV3Config; bounds are far above every published model. */
const deepseekV3Config = z.looseObject({
  architectures: z.tuple([z.literal('DeepseekV3ForCausalLM')]),
  model_type: z.literal('deepseek_v3').optional(),
  vocab_size: count(1 << 21),
  hidden_size: count(1 << 16),
  num_hidden_layers: count(1024),
  num_attention_heads: count(1024),
  num_key_value_heads: count(1024).optional(),
  q_lora_rank: count(1 << 16),
  kv_lora_rank: count(1 << 16),
  qk_nope_head_dim: count(4096),
  qk_rope_head_dim: count(4096).refine((dim) => dim % 2 === 0, 'must be even: rotary positions turn pairs'),
  v_head_dim: count(4096),
  intermediate_size: count(1 << 18),
  moe_intermediate_size: count(1 << 18),
  n_routed_experts: count(4096),
  num_experts_per_tok: count(64),
  n_shared_experts: count(64),
  n_group: count(256),
  topk_group: count(256),
  routed_scaling_factor: z.number().positive().max(1000),
  norm_topk_prob: z.boolean(),
  first_k_dense_replace: z.int().min(0).max(1024),
  rope_theta: z.number().min(1).max(1e9).optional(),
  rms_norm_eps: z.number().positive().max(0.1),
  max_position_embeddings: count(1 << 24),
  num_nextn_predict_layers: z.int().min(0).max(1, 'more than one MTP layer is not supported').optional(),
  eos_token_id: tokenIds.nullish(),
  // Supported with one value only.
  hidden_act: z.literal('silu'),
  scoring_func: z.literal('sigmoid').optional(),
  topk_method: z.literal('noaux_tc').optional(),
  moe_layer_freq: z.literal(1).optional(),
  attention_bias: z.literal(false).optional(),
  mlp_bias: z.literal(false).optional(),
  tie_word_embeddings: z.literal(false).optional(),
  rope_interleave: z.literal(true).optional(),
  rope_scaling: z.null('scaled rotary positions are not supported').optional(),
  rope_parameters: ropeParameters.nullish(),
  sliding_window: z.null('sliding windows are not supported').optional(),
  quantization_config: z.null('quantised checkpoints are not supported').optional(),
  torch_dtype: z.enum(['bfloat16', 'float16', 'float32']).nullish(),
  dtype: z.enum(['bfloat16', 'float16', 'float32']).nullish(),
});
type DeepseekV3Config = z.infer<typeof deepseekV3Config>;

const generationConfig = z.looseObject({ eos_token_id: tokenIds.nullish() });

/**
 * Reads a model's configuration.
 *
 * @param json Parsed config.json.
 * @param generation Parsed generation_config.json, whose end-of-sequence ids go before those of config.json.
 * @throws ModelError naming the first field that is impossible, contradicts another or is not supported.
 */
export function parseModelConfig(json: unknown, generation?: unknown): ModelSpec {
  const config = parseWith(deepseekV3Config, json, CONFIG);
  checkConsistency(config);
  const eos = generation === undefined ? null : parseWith(generationConfig, generation, GENERATION).eos_token_id;
  return toSpec(config, eosIds(config, eos));
}

function checkConsistency(config: DeepseekV3Config): void {
  const expertsPerGroup = config.n_routed_experts / config.n_group;
  const numKvHeads = config.num_key_value_heads ?? config.num_attention_heads;
  check(numKvHeads === config.num_attention_heads, 'num_key_value_heads', 'must equal num_attention_heads');
  check(config.first_k_dense_replace <= config.num_hidden_layers, 'first_k_dense_replace', 'exceeds num_hidden_layers');
  check(Number.isInteger(expertsPerGroup), 'n_group', `must divide n_routed_experts (${config.n_routed_experts})`);
  // A group's score is the sum of its two best experts.
  check(expertsPerGroup >= 2, 'n_group', 'leaves fewer than two experts a group');
  check(config.topk_group <= config.n_group, 'topk_group', `exceeds n_group (${config.n_group})`);
  check(
    config.num_experts_per_tok <= config.topk_group * expertsPerGroup,
    'num_experts_per_tok',
    `exceeds the ${config.topk_group * expertsPerGroup} experts of topk_group groups`,
  );
}

function check(condition: boolean, field: string, problem: string): void {
  if (!condition) throw new ModelError(`${CONFIG}:${field}`, problem);
}

function eosIds(config: DeepseekV3Config, generationEos: number | number[] | null | undefined): number[] {
  const [eos, file] = generationEos != null ? [generationEos, GENERATION] : [config.eos_token_id ?? [], CONFIG];
  const ids = [...new Set(Array.isArray(eos) ? eos : [eos])];
  const tooLarge = ids.find((id) => id >= config.vocab_size);
  if (tooLarge !== undefined) {
    throw new ModelError(`${file}:eos_token_id`, `${tooLarge} is not below vocab_size (${config.vocab_size})`);
  }
  return ids;
}

function toSpec(config: DeepseekV3Config, eosTokenIds: number[]): ModelSpec {
  return {
    family: 'deepseek-v3',
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    numLayers: config.num_hidden_layers,
    numDenseLayers: config.first_k_dense_replace,
    numHeads: config.num_attention_heads,
    qLoraRank: config.q_lora_rank,
    kvLoraRank: config.kv_lora_rank,
    qkNopeHeadDim: config.qk_nope_head_dim,
    qkRopeHeadDim: config.qk_rope_head_dim,
    vHeadDim: config.v_head_dim,
    intermediateSize: config.intermediate_size,
    moeIntermediateSize: config.moe_intermediate_size,
    numExperts: config.n_routed_experts,
    numExpertsPerToken: config.num_experts_per_tok,
    numSharedExperts: config.n_shared_experts,
    numExpertGroups: config.n_group,
    numTopkGroups: config.topk_group,
    routedScalingFactor: config.routed_scaling_factor,
    normTopkProb: config.norm_topk_prob,
    ropeTheta: ropeTheta(config),
    rmsNormEps: config.rms_norm_eps,
    maxPositions: config.max_position_embeddings,
    numMtpLayers: config.num_nextn_predict_layers ?? 0,
    numSlices: chooseNumSlices(config),
    eosTokenIds,
  };
}

function ropeTheta(config: DeepseekV3Config): number {
  const theta = config.rope_theta ?? config.rope_parameters?.rope_theta;
  if (theta === undefined) throw new ModelError(`${CONFIG}:rope_theta`, 'is missing');
  return theta;
}

/**
 * S of the numeric contract (D2): the largest power of two, at most 8, that divides the heads (o_proj is cut between
 * heads) and the inner widths of the dense and the shared FFN. A power of two, so that the tree of partial sums is balanced.
 */
function chooseNumSlices(config: DeepseekV3Config): number {
  const sharedSize = config.moe_intermediate_size * config.n_shared_experts;
  const sizes = [config.num_attention_heads, config.intermediate_size, sharedSize];
  let numSlices = NUM_SLICES_MAX;
  while (sizes.some((size) => size % numSlices !== 0)) numSlices /= 2;
  return numSlices;
}
