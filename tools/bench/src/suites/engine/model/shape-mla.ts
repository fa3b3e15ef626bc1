// The shape `mla`: DeepSeek-V3's attention and router, 8 layers, the first of them dense; 367 MB at 8 bits.
// llama.cpp has the up-projection of keys and values in two tensors, the keys' transposed, so that it can be absorbed into the query.
import {
  type BenchShape,
  commonConfig,
  commonMetadata,
  experts,
  ffn,
  float,
  type GgufTensor,
  HIDDEN_SIZE,
  layerNorms,
  matrix,
  type TensorPart,
  topTensors,
  VOCAB_SIZE,
} from './shape.js';

const NUM_LAYERS = 8;
const HEADS = 16;
const NOPE = 128;
const ROPE = 64;
const VALUE = 128;
const QUERY_RANK = 384;
const KV_RANK = 512;
const DENSE_WIDTH = 1536;
const NUM_SHARED = 1;
const MOE = { numExperts: 32, numPerToken: 4, width: 384 };
const SCALING = 1.5;
const ROPE_THETA = 10_000;
/** llama.cpp's LLAMA_EXPERT_GATING_FUNC_TYPE_SIGMOID. */
const SIGMOID = 2;

const config = {
  ...commonConfig,
  architectures: ['DeepseekV3ForCausalLM'],
  model_type: 'deepseek_v3',
  num_hidden_layers: NUM_LAYERS,
  num_attention_heads: HEADS,
  num_key_value_heads: HEADS,
  q_lora_rank: QUERY_RANK,
  kv_lora_rank: KV_RANK,
  qk_nope_head_dim: NOPE,
  qk_rope_head_dim: ROPE,
  v_head_dim: VALUE,
  intermediate_size: DENSE_WIDTH,
  moe_intermediate_size: MOE.width,
  n_routed_experts: MOE.numExperts,
  num_experts_per_tok: MOE.numPerToken,
  n_shared_experts: NUM_SHARED,
  n_group: 1,
  topk_group: 1,
  routed_scaling_factor: SCALING,
  norm_topk_prob: true,
  first_k_dense_replace: 1,
  rope_theta: ROPE_THETA,
};

const metadata = {
  ...commonMetadata,
  block_count: NUM_LAYERS,
  'attention.head_count': HEADS,
  'attention.head_count_kv': 1,
  'attention.q_lora_rank': QUERY_RANK,
  'attention.kv_lora_rank': KV_RANK,
  'attention.key_length': KV_RANK + ROPE,
  'attention.value_length': KV_RANK,
  'attention.key_length_mla': NOPE + ROPE,
  'attention.value_length_mla': VALUE,
  'rope.dimension_count': ROPE,
  'rope.freq_base': { f32: ROPE_THETA },
  feed_forward_length: DENSE_WIDTH,
  leading_dense_block_count: 1,
  expert_feed_forward_length: MOE.width,
  expert_count: MOE.numExperts,
  expert_used_count: MOE.numPerToken,
  expert_shared_count: NUM_SHARED,
  expert_weights_scale: { f32: SCALING },
  expert_weights_norm: true,
  expert_gating_func: SIGMOID,
};

export function mlaShape(): BenchShape {
  const layers = Array.from({ length: NUM_LAYERS }, (_, layer) => layerTensors(layer)).flat();
  const tensors = [...topTensors(), ...layers];
  return { name: 'mla', vocabSize: VOCAB_SIZE, config, architecture: 'deepseek2', metadata, tensors };
}

function layerTensors(layer: number): GgufTensor[] {
  const mlp = `model.layers.${layer}.mlp`;
  const norms = [...layerNorms(layer), ...attention(layer)];
  if (layer === 0) return [...norms, ...ffn(layer, '', mlp, DENSE_WIDTH)];
  const bias = float(`blk.${layer}.exp_probs_b.bias`, `${mlp}.gate.e_score_correction_bias`, [MOE.numExperts], 'zeros');
  const shared = ffn(layer, '_shexp', `${mlp}.shared_experts`, MOE.width * NUM_SHARED);
  return [...norms, bias, ...experts(layer, MOE), ...shared];
}

function attention(layer: number): GgufTensor[] {
  const hf = `model.layers.${layer}.self_attn`;
  const blk = `blk.${layer}.attn`;
  return [
    matrix(`${blk}_q_a.weight`, `${hf}.q_a_proj.weight`, [QUERY_RANK, HIDDEN_SIZE]),
    float(`${blk}_q_a_norm.weight`, `${hf}.q_a_layernorm.weight`, [QUERY_RANK], 'ones'),
    matrix(`${blk}_q_b.weight`, `${hf}.q_b_proj.weight`, [HEADS * (NOPE + ROPE), QUERY_RANK]),
    matrix(`${blk}_kv_a_mqa.weight`, `${hf}.kv_a_proj_with_mqa.weight`, [KV_RANK + ROPE, HIDDEN_SIZE]),
    float(`${blk}_kv_a_norm.weight`, `${hf}.kv_a_layernorm.weight`, [KV_RANK], 'ones'),
    ...keyValueUp(layer),
    matrix(`${blk}_output.weight`, `${hf}.o_proj.weight`, [HIDDEN_SIZE, HEADS * VALUE]),
  ];
}

/** Of kv_b [head][nope, then value][rank]: keys as [head][rank][nope], values as [head][value][rank]. */
function keyValueUp(layer: number): GgufTensor[] {
  const shape = [HEADS * (NOPE + VALUE), KV_RANK];
  const part: TensorPart = { name: `model.layers.${layer}.self_attn.kv_b_proj.weight`, shape, fill: 'random' };
  const common = { dtype: 'Q8_0', parts: [part], shareRead: () => 1 } as const;
  const row = (head: number, rowOfHead: number) => (head * (NOPE + VALUE) + rowOfHead) * KV_RANK;
  const keyAt = (i: number) => {
    const [head, rank, dim] = [Math.floor(i / (KV_RANK * NOPE)), Math.floor(i / NOPE) % KV_RANK, i % NOPE];
    return row(head, dim) + rank;
  };
  const valueAt = (i: number) => {
    const [head, dim, rank] = [Math.floor(i / (VALUE * KV_RANK)), Math.floor(i / KV_RANK) % VALUE, i % KV_RANK];
    return row(head, NOPE + dim) + rank;
  };
  return [
    { ...common, name: `blk.${layer}.attn_k_b.weight`, shape: [HEADS, KV_RANK, NOPE], indexOf: keyAt },
    { ...common, name: `blk.${layer}.attn_v_b.weight`, shape: [HEADS, VALUE, KV_RANK], indexOf: valueAt },
  ];
}
