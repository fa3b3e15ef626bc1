// Tensor names and shapes of DeepseekV3ForCausalLM checkpoints with a low-rank query (q_a_proj, q_b_proj).
// Source: transformers, models/deepseek_v3/modeling_deepseek_v3.py; the MTP layer as in DeepSeek's own checkpoints,
// where it follows the main layers under the next layer number.
import { type ExpectedTensor, expand, type TensorPattern } from '../family.js';
import type { ModelSpec } from '../spec.js';

const top: TensorPattern[] = [
  ['model.embed_tokens.weight', (s) => [s.vocabSize, s.hiddenSize]],
  ['model.norm.weight', (s) => [s.hiddenSize]],
  ['lm_head.weight', (s) => [s.vocabSize, s.hiddenSize]],
];

const attention: TensorPattern[] = [
  ['input_layernorm.weight', (s) => [s.hiddenSize]],
  ['self_attn.q_a_proj.weight', (s) => [s.qLoraRank, s.hiddenSize]],
  ['self_attn.q_a_layernorm.weight', (s) => [s.qLoraRank]],
  ['self_attn.q_b_proj.weight', (s) => [s.numHeads * (s.qkNopeHeadDim + s.qkRopeHeadDim), s.qLoraRank]],
  ['self_attn.kv_a_proj_with_mqa.weight', (s) => [s.kvLoraRank + s.qkRopeHeadDim, s.hiddenSize]],
  ['self_attn.kv_a_layernorm.weight', (s) => [s.kvLoraRank]],
  ['self_attn.kv_b_proj.weight', (s) => [s.numHeads * (s.qkNopeHeadDim + s.vHeadDim), s.kvLoraRank]],
  ['self_attn.o_proj.weight', (s) => [s.hiddenSize, s.numHeads * s.vHeadDim]],
  ['post_attention_layernorm.weight', (s) => [s.hiddenSize]],
];

const gate: TensorPattern[] = [
  ['mlp.gate.weight', (s) => [s.numExperts, s.hiddenSize]],
  ['mlp.gate.e_score_correction_bias', (s) => [s.numExperts]],
];

const mtp: TensorPattern[] = [
  ['enorm.weight', (s) => [s.hiddenSize]],
  ['hnorm.weight', (s) => [s.hiddenSize]],
  ['eh_proj.weight', (s) => [s.hiddenSize, 2 * s.hiddenSize]],
  ['embed_tokens.weight', (s) => [s.vocabSize, s.hiddenSize]],
  ['shared_head.norm.weight', (s) => [s.hiddenSize]],
  ['shared_head.head.weight', (s) => [s.vocabSize, s.hiddenSize]],
];

/** Gated FFN of the given inner width. */
function ffn(width: (spec: ModelSpec) => number): TensorPattern[] {
  return [
    ['gate_proj.weight', (s) => [width(s), s.hiddenSize]],
    ['up_proj.weight', (s) => [width(s), s.hiddenSize]],
    ['down_proj.weight', (s) => [s.hiddenSize, width(s)]],
  ];
}

const denseFfn = ffn((s) => s.intermediateSize);
const sharedFfn = ffn((s) => s.moeIntermediateSize * s.numSharedExperts);
const expertFfn = ffn((s) => s.moeIntermediateSize);

/** Every tensor the executor reads, in layer order. */
export function* deepseekV3Tensors(spec: ModelSpec): Generator<ExpectedTensor> {
  yield* expand(spec, '', top);
  for (let layerIdx = 0; layerIdx < spec.numLayers; layerIdx++) {
    const prefix = `model.layers.${layerIdx}.`;
    yield* expand(spec, prefix, attention);
    if (layerIdx < spec.numDenseLayers) yield* expand(spec, `${prefix}mlp.`, denseFfn);
    else yield* moeTensors(spec, prefix);
  }
  for (let mtpIdx = 0; mtpIdx < spec.numMtpLayers; mtpIdx++) {
    const prefix = `model.layers.${spec.numLayers + mtpIdx}.`;
    yield* expand(spec, prefix, mtp);
    yield* expand(spec, prefix, attention);
    yield* moeTensors(spec, prefix);
  }
}

function* moeTensors(spec: ModelSpec, prefix: string): Generator<ExpectedTensor> {
  yield* expand(spec, prefix, gate);
  yield* expand(spec, `${prefix}mlp.shared_experts.`, sharedFfn);
  for (let expertIdx = 0; expertIdx < spec.numExperts; expertIdx++) {
    yield* expand(spec, `${prefix}mlp.experts.${expertIdx}.`, expertFfn);
  }
}
