// Names and shapes of the tensors that a model of a given shape has. The names are those of DeepSeek-V3's and Llama's
// checkpoints; where a file calls a tensor otherwise, its family says so (names), and a WeightPlan has the name given here.
// It must not know where tensors lie; weight-plan.ts joins the two.
// Source: transformers, modeling_deepseek_v3.py, modeling_llama.py, modeling_qwen2_moe.py (the shared expert's gate); the MTP
// layer as in DeepSeek's own checkpoints, where it follows the main layers under the next layer number.
import type { ModelSpec } from './spec.js';

/** A tensor every model of the spec has. */
export interface ExpectedTensor {
  /** The name with {layer} and {expert} in it. */
  template: string;
  layer: number;
  expert: number;
  /** In elements, row-major. */
  shape: number[];
  /** A row-parallel matrix, whose columns are cut into numSlices. */
  isSliced: boolean;
}

/** Template of one kind of tensor and its shape; a number is a vector. */
type Pattern = readonly [template: string, shape: readonly number[], slicing?: 'sliced' | undefined];

const LAYER = 'model.layers.{layer}.';
const EMBEDDING = 'model.embed_tokens.weight';
const HEAD = 'lm_head.weight';
const MTP_EMBEDDING = `${LAYER}embed_tokens.weight`;
const MTP_HEAD = `${LAYER}shared_head.head.weight`;

/** Fills {layer} and {expert} in. */
export function fillTemplate(template: string, { layer, expert }: Pick<ExpectedTensor, 'layer' | 'expert'>): string {
  return template.replace('{layer}', String(layer)).replace('{expert}', String(expert));
}

/** Every tensor the executor reads, in layer order. */
export function* listTensors(spec: ModelSpec): Generator<ExpectedTensor> {
  const extraDense = new Set(spec.extraDenseLayers);
  const isDense = (layer: number) => layer < spec.numDenseLayers || extraDense.has(layer);
  yield* expand(top(spec), 0);
  for (let layer = 0; layer < spec.numLayers; layer++) {
    yield* expand(attention(spec), layer);
    if (isDense(layer)) yield* expand(denseFfn(spec), layer);
    else yield* moeTensors(spec, layer);
  }
  yield* listMtpTensors(spec);
}

/** Those of the MTP layers. */
export function* listMtpTensors(spec: ModelSpec): Generator<ExpectedTensor> {
  for (let i = 0; i < spec.numMtpLayers; i++) {
    const layer = spec.numLayers + i;
    yield* expand(mtp(spec), layer);
    yield* expand(attention(spec), layer);
    yield* moeTensors(spec, layer);
  }
}

/** Template of the tensor that an MTP layer's tensor is a copy of; undefined for all others. */
export function originalOf(template: string, spec: ModelSpec): string | undefined {
  if (template === MTP_EMBEDDING) return EMBEDDING;
  if (template === MTP_HEAD) return spec.tieWordEmbeddings ? EMBEDDING : HEAD;
  return undefined;
}

function* expand(patterns: readonly Pattern[], layer: number, expert = 0): Generator<ExpectedTensor> {
  for (const [template, shape, slicing] of patterns) {
    yield { template, layer, expert, shape: [...shape], isSliced: slicing === 'sliced' };
  }
}

function* moeTensors(spec: ModelSpec, layer: number): Generator<ExpectedTensor> {
  yield* expand(router(spec), layer);
  yield* expand(sharedFfn(spec), layer);
  const patterns = expertFfn(spec);
  for (let expert = 0; expert < spec.numExperts; expert++) yield* expand(patterns, layer, expert);
}

function top(s: ModelSpec): Pattern[] {
  const patterns: Pattern[] = [
    [EMBEDDING, [s.vocabSize, s.hiddenSize]],
    ['model.norm.weight', [s.hiddenSize]],
  ];
  if (!s.tieWordEmbeddings) patterns.push([HEAD, [s.vocabSize, s.hiddenSize]]);
  if (s.ropeScaling.type === 'tensor') patterns.push(['rope_freqs.weight', [s.rotaryDim / 2]]);
  return patterns;
}

function attention(s: ModelSpec): Pattern[] {
  return [
    [`${LAYER}input_layernorm.weight`, [s.hiddenSize]],
    ...(s.attention === 'mla' ? mla(s) : gqa(s)),
    [`${LAYER}self_attn.o_proj.weight`, [s.hiddenSize, s.numHeads * s.vHeadDim], 'sliced'],
    ...bias(s.hasOutputBias, `${LAYER}self_attn.o_proj`, s.hiddenSize),
    [`${LAYER}post_attention_layernorm.weight`, [s.hiddenSize]],
  ];
}

function mla(s: ModelSpec): Pattern[] {
  const queryDim = s.numHeads * s.headDim;
  const query: Pattern[] =
    s.qLoraRank === 0
      ? [[`${LAYER}self_attn.q_proj.weight`, [queryDim, s.hiddenSize]]]
      : [
          [`${LAYER}self_attn.q_a_proj.weight`, [s.qLoraRank, s.hiddenSize]],
          ...bias(s.hasQkvBias, `${LAYER}self_attn.q_a_proj`, s.qLoraRank),
          [`${LAYER}self_attn.q_a_layernorm.weight`, [s.qLoraRank]],
          [`${LAYER}self_attn.q_b_proj.weight`, [queryDim, s.qLoraRank]],
        ];
  const keyValue: Pattern[] = s.hasSplitKvB
    ? [
        [`${LAYER}self_attn.k_b_proj.weight`, [s.numHeads, s.kvLoraRank, s.qkNopeHeadDim]],
        [`${LAYER}self_attn.v_b_proj.weight`, [s.numHeads, s.vHeadDim, s.kvLoraRank]],
      ]
    : [[`${LAYER}self_attn.kv_b_proj.weight`, [s.numHeads * (s.qkNopeHeadDim + s.vHeadDim), s.kvLoraRank]]];
  return [
    ...query,
    [`${LAYER}self_attn.kv_a_proj_with_mqa.weight`, [s.kvLoraRank + s.qkRopeHeadDim, s.hiddenSize]],
    ...bias(s.hasQkvBias, `${LAYER}self_attn.kv_a_proj_with_mqa`, s.kvLoraRank + s.qkRopeHeadDim),
    [`${LAYER}self_attn.kv_a_layernorm.weight`, [s.kvLoraRank]],
    ...keyValue,
  ];
}

function gqa(s: ModelSpec): Pattern[] {
  const queryDim = s.numHeads * s.headDim;
  const kvDim = s.numKvHeads * s.headDim;
  const patterns: Pattern[] = [];
  for (const [name, width] of [
    ['q', queryDim],
    ['k', kvDim],
    ['v', kvDim],
  ] as const) {
    patterns.push([`${LAYER}self_attn.${name}_proj.weight`, [width, s.hiddenSize]]);
    patterns.push(...bias(s.hasQkvBias, `${LAYER}self_attn.${name}_proj`, width));
  }
  if (s.qkNorm === 'none') return patterns;
  const isFull = s.qkNorm === 'full';
  return [
    ...patterns,
    [`${LAYER}self_attn.q_norm.weight`, [isFull ? queryDim : s.headDim]],
    [`${LAYER}self_attn.k_norm.weight`, [isFull ? kvDim : s.headDim]],
  ];
}

function router(s: ModelSpec): Pattern[] {
  const patterns: Pattern[] = [[`${LAYER}mlp.gate.weight`, [s.numExperts, s.hiddenSize]]];
  if (s.hasRouterBias) patterns.push([`${LAYER}mlp.gate.e_score_correction_bias`, [s.numExperts]]);
  return patterns;
}

function mtp(s: ModelSpec): Pattern[] {
  return [
    [`${LAYER}enorm.weight`, [s.hiddenSize]],
    [`${LAYER}hnorm.weight`, [s.hiddenSize]],
    [`${LAYER}eh_proj.weight`, [s.hiddenSize, 2 * s.hiddenSize]],
    [MTP_EMBEDDING, [s.vocabSize, s.hiddenSize]],
    [`${LAYER}shared_head.norm.weight`, [s.hiddenSize]],
    [MTP_HEAD, [s.vocabSize, s.hiddenSize]],
  ];
}

function denseFfn(s: ModelSpec): Pattern[] {
  return biased(s, ffn(`${LAYER}mlp.`, s.intermediateSize, s.hiddenSize, 'sliced'));
}

function sharedFfn(s: ModelSpec): Pattern[] {
  if (s.numSharedExperts === 0) return [];
  const shared = biased(s, ffn(`${LAYER}mlp.shared_experts.`, s.sharedIntermediateSize, s.hiddenSize, 'sliced'));
  return s.hasSharedExpertGate ? [...shared, [`${LAYER}mlp.shared_expert_gate.weight`, [1, s.hiddenSize]]] : shared;
}

function expertFfn(s: ModelSpec): Pattern[] {
  return weights(ffn(`${LAYER}mlp.experts.{expert}.`, s.moeIntermediateSize, s.hiddenSize));
}

/** Gated FFN of the given inner width; the names have no ending yet. */
function ffn(prefix: string, width: number, hiddenSize: number, down?: 'sliced'): Pattern[] {
  return [
    [`${prefix}gate_proj`, [width, hiddenSize]],
    [`${prefix}up_proj`, [width, hiddenSize]],
    [`${prefix}down_proj`, [hiddenSize, width], down],
  ];
}

function weights(patterns: readonly Pattern[]): Pattern[] {
  return patterns.map(([name, shape, slicing]) => [`${name}.weight`, shape, slicing]);
}

/** Weights, and biases where the model's FFNs have them. */
function biased(s: ModelSpec, patterns: readonly Pattern[]): Pattern[] {
  return patterns.flatMap(([name, shape, slicing]) => [
    [`${name}.weight`, shape, slicing],
    ...bias(s.hasFfnBias, name, shape[0] as number),
  ]);
}

function bias(hasBias: boolean, name: string, width: number): Pattern[] {
  return hasBias ? [[`${name}.bias`, [width]]] : [];
}
