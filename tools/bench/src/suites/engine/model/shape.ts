// The three models of suite `engine`, as data: a config.json, llama.cpp's metadata for the same model, and every tensor with its name in
// both kinds of file. 8 layers of 32 experts, or 21 dense ones: 360 to 370 MB at 8 bits each, so that no cache holds a model.
// Source of names and keys: libs/model/src/gguf/architectures.ts.
import type { GgufValue } from './gguf-header.js';

export type ShapeName = 'qwen3moe' | 'mla' | 'dense';

/** How a tensor's numbers come about. */
export type Fill = 'random' | 'ones' | 'zeros';

/** One tensor of the safetensors file. */
export interface TensorPart {
  name: string;
  /** Row-major. */
  shape: readonly number[];
  fill: Fill;
}

/** One tensor of the GGUF file, made of the parts in this order. */
export interface GgufTensor {
  name: string;
  /** Row-major, as everywhere here; the file has it reversed. */
  shape: readonly number[];
  dtype: 'F32' | 'Q8_0';
  parts: readonly TensorPart[];
  /** Where a part's numbers lie otherwise, or only some are of this tensor: the index in the part of number `i`. */
  indexOf?: (i: number) => number;
  /** Share of the tensor's rows that a step of `numSequences` reads. */
  shareRead: (numSequences: number) => number;
}

export interface BenchShape {
  name: ShapeName;
  vocabSize: number;
  config: Record<string, unknown>;
  architecture: string;
  /** Without the architecture in front. */
  metadata: Record<string, GgufValue>;
  tensors: GgufTensor[];
}

/** Sizes that all three share. */
export const VOCAB_SIZE = 8192;
export const HIDDEN_SIZE = 1024;
export const MAX_POSITIONS = 2048;
export const EOS_TOKEN_ID = 1;
export const RMS_NORM_EPS = 1e-6;

export const commonConfig = {
  vocab_size: VOCAB_SIZE,
  hidden_size: HIDDEN_SIZE,
  max_position_embeddings: MAX_POSITIONS,
  rms_norm_eps: RMS_NORM_EPS,
  hidden_act: 'silu',
  tie_word_embeddings: false,
  bos_token_id: 0,
  eos_token_id: EOS_TOKEN_ID,
};

export const commonMetadata = {
  context_length: MAX_POSITIONS,
  embedding_length: HIDDEN_SIZE,
  'attention.layer_norm_rms_epsilon': { f32: RMS_NORM_EPS },
};

/** Bytes of a Q8_0 block of 32 numbers: an fp16 scale and 32 int8. */
export const Q8_BLOCK = 32;
export const Q8_BLOCK_BYTES = 34;

export const sizeOf = (shape: readonly number[]) => shape.reduce((product, size) => product * size, 1);

export function ggufBytesOf({ dtype, shape }: Pick<GgufTensor, 'dtype' | 'shape'>): number {
  return dtype === 'F32' ? sizeOf(shape) * 4 : (sizeOf(shape) / Q8_BLOCK) * Q8_BLOCK_BYTES;
}

/** Every part once, in the order of the safetensors file. */
export function partsOf({ tensors }: BenchShape): TensorPart[] {
  return [...new Map(tensors.flatMap(({ parts }) => parts).map((part) => [part.name, part])).values()];
}

/** Bytes of weights that a step of that many sequences reads from memory on average when each token's experts are random. */
export function bytesRead({ tensors }: BenchShape, numSequences: number): number {
  return tensors.reduce((sum, tensor) => sum + ggufBytesOf(tensor) * tensor.shareRead(numSequences), 0);
}

const always = () => 1;

/** A matrix that every step reads, 8-bit in the GGUF file. */
export function matrix(gguf: string, name: string, shape: readonly number[]): GgufTensor {
  return { name: gguf, shape, dtype: 'Q8_0', parts: [{ name, shape, fill: 'random' }], shareRead: always };
}

/** A tensor that llama.cpp wants in fp32: a norm's weights, a router. */
export function float(gguf: string, name: string, shape: readonly number[], fill: Fill): GgufTensor {
  return { name: gguf, shape, dtype: 'F32', parts: [{ name, shape, fill }], shareRead: always };
}

/** Embedding, final norm and head. Of the embedding a step reads a row for each sequence. */
export function topTensors(): GgufTensor[] {
  const shape = [VOCAB_SIZE, HIDDEN_SIZE];
  const embedding = matrix('token_embd.weight', 'model.embed_tokens.weight', shape);
  return [
    { ...embedding, shareRead: (numSequences) => numSequences / VOCAB_SIZE },
    float('output_norm.weight', 'model.norm.weight', [HIDDEN_SIZE], 'ones'),
    matrix('output.weight', 'lm_head.weight', shape),
  ];
}

/** The two norms of a layer. */
export function layerNorms(layer: number): GgufTensor[] {
  const hf = `model.layers.${layer}`;
  return [
    float(`blk.${layer}.attn_norm.weight`, `${hf}.input_layernorm.weight`, [HIDDEN_SIZE], 'ones'),
    float(`blk.${layer}.ffn_norm.weight`, `${hf}.post_attention_layernorm.weight`, [HIDDEN_SIZE], 'ones'),
  ];
}

/** A gated FFN; `suffix` is what llama.cpp calls its kind: "", or "_shexp" of shared experts. */
export function ffn(layer: number, suffix: string, hfPrefix: string, width: number): GgufTensor[] {
  const shapes = { gate: [width, HIDDEN_SIZE], up: [width, HIDDEN_SIZE], down: [HIDDEN_SIZE, width] };
  return Object.entries(shapes).map(([kind, shape]) => {
    return matrix(`blk.${layer}.ffn_${kind}${suffix}.weight`, `${hfPrefix}.${kind}_proj.weight`, shape);
  });
}

export interface ExpertSizes {
  numExperts: number;
  numPerToken: number;
  width: number;
}

/** Router and experts, which lie in one tensor a layer in the GGUF file. */
export function experts(layer: number, { numExperts, numPerToken, width }: ExpertSizes): GgufTensor[] {
  const hf = `model.layers.${layer}.mlp`;
  const shapes = { gate: [width, HIDDEN_SIZE], up: [width, HIDDEN_SIZE], down: [HIDDEN_SIZE, width] };
  const shareRead = (numSequences: number) => 1 - (1 - numPerToken / numExperts) ** numSequences;
  const stacked = Object.entries(shapes).map(([kind, shape]): GgufTensor => {
    const parts = Array.from({ length: numExperts }, (_, expert): TensorPart => {
      return { name: `${hf}.experts.${expert}.${kind}_proj.weight`, shape, fill: 'random' };
    });
    const name = `blk.${layer}.ffn_${kind}_exps.weight`;
    return { name, shape: [numExperts, ...shape], dtype: 'Q8_0', parts, shareRead };
  });
  return [
    float(`blk.${layer}.ffn_gate_inp.weight`, `${hf}.gate.weight`, [numExperts, HIDDEN_SIZE], 'random'),
    ...stacked,
  ];
}

export interface GqaSizes {
  numHeads: number;
  numKvHeads: number;
  headDim: number;
}

/** Qwen3's attention. */
export function gqa(layer: number, { numHeads, numKvHeads, headDim }: GqaSizes): GgufTensor[] {
  const hf = `model.layers.${layer}.self_attn`;
  const blk = `blk.${layer}.attn`;
  const [queryDim, kvDim] = [numHeads * headDim, numKvHeads * headDim];
  return [
    matrix(`${blk}_q.weight`, `${hf}.q_proj.weight`, [queryDim, HIDDEN_SIZE]),
    matrix(`${blk}_k.weight`, `${hf}.k_proj.weight`, [kvDim, HIDDEN_SIZE]),
    matrix(`${blk}_v.weight`, `${hf}.v_proj.weight`, [kvDim, HIDDEN_SIZE]),
    float(`${blk}_q_norm.weight`, `${hf}.q_norm.weight`, [headDim], 'ones'),
    float(`${blk}_k_norm.weight`, `${hf}.k_norm.weight`, [headDim], 'ones'),
    matrix(`${blk}_output.weight`, `${hf}.o_proj.weight`, [HIDDEN_SIZE, queryDim]),
  ];
}
