// The shapes of the bench by name. Sizes of the first are those of the table.
import type { GgufValue } from './gguf-header.js';
import {
  type BenchShape,
  commonConfig,
  commonMetadata,
  experts,
  ffn,
  type GgufTensor,
  type GqaSizes,
  gqa,
  layerNorms,
  type ShapeName,
  topTensors,
  VOCAB_SIZE,
} from './shape.js';
import { mlaShape } from './shape-mla.js';

const ROPE_THETA = 1e6;

const layersOf = (count: number, tensorsOf: (layer: number) => GgufTensor[]) =>
  Array.from({ length: count }, (_, layer) => tensorsOf(layer)).flat();

function qwen3moe(): BenchShape {
  const numLayers = 8;
  const attention = { numHeads: 16, numKvHeads: 4, headDim: 64 };
  const moe = { numExperts: 32, numPerToken: 4, width: 384 };
  return {
    name: 'qwen3moe',
    vocabSize: VOCAB_SIZE,
    config: {
      ...commonConfig,
      ...gqaConfig(numLayers, attention),
      architectures: ['Qwen3MoeForCausalLM'],
      model_type: 'qwen3_moe',
      intermediate_size: moe.width,
      moe_intermediate_size: moe.width,
      num_experts: moe.numExperts,
      num_experts_per_tok: moe.numPerToken,
      norm_topk_prob: true,
      decoder_sparse_step: 1,
      mlp_only_layers: [],
    },
    architecture: 'qwen3moe',
    metadata: {
      ...commonMetadata,
      ...gqaMetadata(numLayers, attention),
      feed_forward_length: moe.width,
      expert_feed_forward_length: moe.width,
      expert_count: moe.numExperts,
      expert_used_count: moe.numPerToken,
    },
    tensors: [
      ...topTensors(),
      ...layersOf(numLayers, (layer) => [...layerNorms(layer), ...gqa(layer, attention), ...experts(layer, moe)]),
    ],
  };
}

/** Qwen3-0.6B with fewer layers and a small vocabulary. */
function dense(): BenchShape {
  const numLayers = 21;
  const attention = { numHeads: 16, numKvHeads: 8, headDim: 128 };
  const width = 3072;
  return {
    name: 'dense',
    vocabSize: VOCAB_SIZE,
    config: {
      ...commonConfig,
      ...gqaConfig(numLayers, attention),
      architectures: ['Qwen3ForCausalLM'],
      model_type: 'qwen3',
      intermediate_size: width,
    },
    architecture: 'qwen3',
    metadata: { ...commonMetadata, ...gqaMetadata(numLayers, attention), feed_forward_length: width },
    tensors: [
      ...topTensors(),
      ...layersOf(numLayers, (layer) => [
        ...layerNorms(layer),
        ...gqa(layer, attention),
        ...ffn(layer, '', `model.layers.${layer}.mlp`, width),
      ]),
    ],
  };
}

function gqaConfig(numLayers: number, { numHeads, numKvHeads, headDim }: GqaSizes): Record<string, unknown> {
  return {
    num_hidden_layers: numLayers,
    num_attention_heads: numHeads,
    num_key_value_heads: numKvHeads,
    head_dim: headDim,
    rope_theta: ROPE_THETA,
  };
}

function gqaMetadata(numLayers: number, { numHeads, numKvHeads, headDim }: GqaSizes): Record<string, GgufValue> {
  return {
    block_count: numLayers,
    'attention.head_count': numHeads,
    'attention.head_count_kv': numKvHeads,
    'attention.key_length': headDim,
    'attention.value_length': headDim,
    'rope.freq_base': { f32: ROPE_THETA },
  };
}

const makers: Readonly<Record<ShapeName, () => BenchShape>> = { qwen3moe, mla: mlaShape, dense };

export const shapeOf = (name: ShapeName): BenchShape => makers[name]();
