// Every family: its configuration becomes the right shape, and the shape the right tensors under its checkpoint's names.
import { describe, expect, test } from 'vitest';
import { families } from '../src/families/index.js';
import { ModelError, type ModelSpec, makeWeightPlan, parseModelConfig, type WeightTensor } from '../src/index.js';
import { fillTemplate, listTensors } from '../src/tensor-list.js';
import { configs } from './families.js';

const names = Object.keys(configs());
const specOf = (name: string, change: Record<string, unknown> = {}): ModelSpec =>
  parseModelConfig({ ...configs()[name], ...change });

/** The field of the ModelError that the call throws. */
function refusedField(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(ModelError);
    return (error as ModelError).field;
  }
  throw new Error('nothing was refused');
}

/** Tensors under the names of the family's checkpoints, one behind the other in one file. */
function checkpoint(spec: ModelSpec): WeightTensor[] {
  const renames = families.find((family) => family.name === spec.family)?.names ?? {};
  let offset = 0;
  return [...listTensors(spec)].map((expected) => {
    const bytes = expected.shape.reduce((product, dim) => product * dim, 2);
    const name = fillTemplate(renames[expected.template] ?? expected.template, expected);
    const tensor: WeightTensor = { name, file: 'f', offset, bytes, dtype: 'BF16', shape: expected.shape };
    offset += bytes;
    return tensor;
  });
}

test('there is a configuration of every family here', () => {
  expect(new Set(names)).toEqual(new Set(families.map((family) => family.name)));
});

const shapes: Record<string, Partial<ModelSpec>> = {
  'deepseek-v3': { attention: 'mla', qLoraRank: 20, headDim: 20, numMtpLayers: 1, router: 'sigmoid', numTopkGroups: 2 },
  'kimi-k2': { numExpertGroups: 1, numTopkGroups: 1, numMtpLayers: 0, groupScore: 'top2-sum' },
  'deepseek-v2': { qLoraRank: 0, router: 'softmax', hasRouterBias: false, normTopkProb: false, numSharedExperts: 2 },
  'qwen3-moe': { attention: 'gqa', headDim: 16, qkNorm: 'head', numDenseLayers: 0, intermediateSize: 0, numExperts: 7 },
  'qwen2-moe': {
    hasQkvBias: true,
    hasSharedExpertGate: true,
    sharedIntermediateSize: 40,
    slidingWindow: 0,
    headDim: 10,
  },
  'glm4-moe': {
    rotaryDim: 8,
    qkNorm: 'head',
    hasQkvBias: true,
    hasOutputBias: false,
    numDenseLayers: 1,
    numMtpLayers: 1,
  },
  'minimax-m2': { rotaryDim: 8, qkNorm: 'full', router: 'sigmoid', hasRouterBias: true, normTopkProb: true },
  olmoe: { qkNorm: 'full', moeIntermediateSize: 88, normTopkProb: false, numDenseLayers: 0 },
  mixtral: { numExperts: 7, numExpertsPerToken: 2, normTopkProb: true, slidingWindow: 0, qkNorm: 'none' },
  llama: { numExperts: 0, numDenseLayers: 3, tieWordEmbeddings: true, numKvHeads: 2, rotaryDim: 10 },
  mistral: { slidingWindow: 96, firstSlidingLayer: 0 },
  qwen3: { qkNorm: 'head', headDim: 16, hasQkvBias: false },
  qwen2: { hasQkvBias: true, hasOutputBias: false, slidingWindow: 96, firstSlidingLayer: 2 },
};

describe.each(names)('%s', (name) => {
  test('has the shape that its configuration says', () => {
    expect(specOf(name)).toMatchObject({
      family: name,
      vocabSize: 1003,
      hiddenSize: 60,
      numLayers: 3,
      ...shapes[name],
    });
  });

  test('finds every tensor of its checkpoints, and misses each by its own name', () => {
    const spec = specOf(name);
    const tensors = checkpoint(spec);
    const { plan, unused, spec: planned } = makeWeightPlan(spec, tensors, 'd');
    expect(unused).toEqual([]);
    expect(planned).toEqual(spec);
    expect(plan.tensors.map((tensor) => tensor.offset)).toEqual(tensors.map((tensor) => tensor.offset));
    // Copies of the main model's embedding and output layer may be left out.
    const isCopy = ({ name: full }: WeightTensor) => /layers.*(embed_tokens|shared_head\.head)/.test(full);
    for (const missing of tensors.filter((tensor) => !isCopy(tensor))) {
      const rest = tensors.filter((tensor) => tensor !== missing);
      expect(() => makeWeightPlan(spec, rest, 'd')).toThrow(`missing ${missing.name}`);
    }
  });

  test('is refused with another activation, a method of quantisation or a rotary scaling that nobody here knows', () => {
    expect(refusedField(() => specOf(name, { hidden_act: 'gelu' }))).toBe('config.json:hidden_act');
    const quantised = { quantization_config: { quant_method: 'awq' } };
    expect(refusedField(() => specOf(name, quantised))).toBe('config.json:quantization_config.quant_method');
    const longrope = { rope_scaling: { type: 'longrope', factor: 4 } };
    expect(refusedField(() => specOf(name, longrope))).toBe('config.json:rope_scaling.type');
  });
});

test.each<[string, string, unknown]>([
  ['deepseek-v2', 'norm_topk_prob', true],
  ['deepseek-v2', 'topk_method', 'noaux_tc'],
  ['deepseek-v2', 'scoring_func', 'sigmoid'],
  ['kimi-k2', 'scoring_func', 'softmax'],
  ['qwen3-moe', 'mlp_only_layers', [-1]],
  ['qwen3-moe', 'decoder_sparse_step', 0],
  ['qwen3-moe', 'num_experts_per_tok', 8],
  ['qwen2-moe', 'shared_expert_intermediate_size', 0],
  ['glm4-moe', 'num_nextn_predict_layers', 2],
  ['glm4-moe', 'num_key_value_heads', 4],
  ['minimax-m2', 'use_routing_bias', false],
  ['minimax-m2', 'qk_norm_type', 'per_head'],
  ['minimax-m2', 'rotary_dim', 7],
  ['minimax-m2', 'rotary_dim', 18],
  ['minimax-m2', 'shared_intermediate_size', 64],
  ['olmoe', 'clip_qkv', 8],
  ['mixtral', 'num_local_experts', undefined],
  ['mistral', 'sliding_window', -1],
  ['llama', 'attention_bias', 'yes'],
  ['qwen2', 'layer_types', ['sliding_attention', 'full_attention', 'full_attention']],
  ['qwen2', 'layer_types', ['full_attention']],
])('%s with %s = %o is refused', (name, field, value) => {
  expect(refusedField(() => specOf(name, { [field]: value }))).toContain(`config.json:${field}`);
});

test('layer types say where windows begin', () => {
  const layer_types = ['full_attention', 'sliding_attention', 'sliding_attention'];
  expect(specOf('qwen2', { layer_types })).toMatchObject({ slidingWindow: 96, firstSlidingLayer: 1 });
  expect(specOf('qwen2', { layer_types: Array(3).fill('full_attention') }).slidingWindow).toBe(0);
});

test.each<[Record<string, unknown>, number, number[]]>([
  [{ mlp_only_layers: [1, 0] }, 2, []],
  [{ mlp_only_layers: [1] }, 0, [1]],
  [{ decoder_sparse_step: 2 }, 1, [2]],
  [{ decoder_sparse_step: 3, mlp_only_layers: [2] }, 3, []],
])('dense layers of Qwen by %o', (change, numDenseLayers, extraDenseLayers) => {
  const spec = specOf('qwen3-moe', change);
  expect(spec).toMatchObject({ numDenseLayers, extraDenseLayers, intermediateSize: 88 });
  const isMoe = (layer: number) =>
    checkpoint(spec).some(({ name }) => name === `model.layers.${layer}.mlp.gate.weight`);
  const dense = [0, 1, 2].filter((layer) => !isMoe(layer));
  expect(dense).toEqual([...Array(numDenseLayers).keys(), ...extraDenseLayers]);
});

test('an MTP layer that tools have left out of the weights is left out of the spec', () => {
  const spec = specOf('glm4-moe');
  const main = checkpoint(spec).filter(({ name }) => !name.startsWith('model.layers.3.'));
  expect(makeWeightPlan(spec, main, 'd').spec).toEqual({ ...spec, numMtpLayers: 0 });
});

describe('rotary positions', () => {
  const scaled = (rope_scaling: unknown, change = {}) => specOf('llama', { rope_scaling, ...change });

  test.each<[Record<string, unknown>, ModelSpec['ropeScaling']]>([
    [{ rope_type: 'default' }, { type: 'default' }],
    [
      { type: 'linear', factor: 2 },
      { type: 'linear', factor: 2 },
    ],
    [
      { type: 'dynamic', factor: 2 },
      { type: 'dynamic', factor: 2, originalMaxPositions: 512 },
    ],
    [
      { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, attention_factor: 1.5, truncate: false },
      {
        type: 'yarn',
        factor: 4,
        originalMaxPositions: 64,
        betaFast: 32,
        betaSlow: 1,
        attentionFactor: 1.5,
        truncate: false,
      },
    ],
  ])('%o', (json, expected) => {
    expect(scaled(json).ropeScaling).toEqual(expected);
    const newer = { rope_scaling: undefined, rope_theta: undefined, rope_parameters: { ...json, rope_theta: 5e5 } };
    expect(specOf('llama', newer)).toMatchObject({ ropeTheta: 5e5, ropeScaling: expected });
  });

  test('YaRN grows the scores by 0.1 ln(factor) + 1, twice in MLA where the configuration says so', () => {
    const yarn = { type: 'yarn', factor: 4, original_max_position_embeddings: 64 };
    const { ropeScaling } = scaled(yarn);
    expect(ropeScaling.type === 'yarn' && ropeScaling.attentionFactor).toBeCloseTo(1.138629, 6);
    const v2 = specOf('deepseek-v2');
    expect(v2.ropeScaling.type === 'yarn' && v2.ropeScaling.attentionFactor).toBe(1);
    expect(v2.attentionScaleFactor).toBeCloseTo((0.075 * Math.log(40) + 1) ** 2, 12);
    expect(specOf('deepseek-v3').attentionScaleFactor).toBe(1);
  });

  test('a share of a head comes from the rotary settings too', () => {
    const rope_parameters = { rope_type: 'default', rope_theta: 1e4, partial_rotary_factor: 0.25 };
    expect(specOf('glm4-moe', { rope_parameters }).rotaryDim).toBe(4);
  });

  test.each<[string, Record<string, unknown>]>([
    ['factor', { type: 'linear' }],
    ['factor', { type: 'linear', factor: 0.5 }],
    ['original_max_position_embeddings', { type: 'yarn', factor: 2 }],
    ['low_freq_factor', { rope_type: 'llama3', factor: 8 }],
    [
      'high_freq_factor',
      { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 1, original_max_position_embeddings: 64 },
    ],
    ['rope_type', { rope_type: 'mrope', mrope_section: [1] }],
    ['rope_type', { factor: 8 }],
  ])('a wrong %s is refused', (field, json) => {
    expect(refusedField(() => scaled(json))).toBe(`config.json:rope_scaling.${field}`);
  });
});
