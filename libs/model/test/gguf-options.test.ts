// GGUF files of other ages and makes: keys left out, windows, experts one by one, options that change the mathematics.
import { describe, expect, test } from 'vitest';
import { ModelError, readGgufHeader, readGgufModel } from '../src/index.js';
import { ggufFile, sourceOf, type TensorEntry, type Value } from './gguf-file.js';
import { ggufModel } from './gguf-models.js';

const open = (name: string, change: Record<string, Value | undefined> = {}, tensors?: TensorEntry[]) => {
  const model = ggufModel(name, change);
  const file = ggufFile(model.metadata, tensors ?? model.tensors);
  return readGgufModel(readGgufHeader(sourceOf(file)), 'd');
};

describe('a sliding window', () => {
  const window = (family: string, architecture: string, size: Value, pattern?: Value) => {
    const key = `${architecture}.attention.sliding_window`;
    const { slidingWindow, slidingLayers } = open(family, { [key]: size, [`${key}_pattern`]: pattern }).spec;
    return [slidingWindow, slidingLayers];
  };

  test('holds in all layers, in those of a pattern, or where it is shorter than the context', () => {
    expect(window('llama', 'llama', 64)).toEqual([64, [0, 1, 2]]);
    expect(window('mixtral', 'llama', 64, 0)).toEqual([64, [0, 1, 2]]);
    expect(window('qwen3', 'qwen3', 64, [false, true, true])).toEqual([64, [1, 2]]);
    expect(window('qwen2', 'qwen2', 64, [true, false, true])).toEqual([64, [0, 2]]);
    expect(window('qwen2', 'qwen2', 64, 2)).toEqual([64, [0, 2]]);
    expect(window('qwen2', 'qwen2', 64, [false, false, false])).toEqual([0, []]);
    expect(window('qwen2', 'qwen2', 64, 1)).toEqual([0, []]);
    expect(window('llama', 'llama', 512)).toEqual([0, []]);
  });

  test.each<[string, string, Value, Value | undefined, RegExp]>([
    ['glm4-moe', 'glm4moe', 64, undefined, /glm4moe\.attention\.sliding_window: is 64, glm4-moe has no windows/],
    ['deepseek-v3', 'deepseek2', 64, undefined, /deepseek2\.attention\.sliding_window: is 64/],
    ['llama', 'llama', 1.5, undefined, /sliding_window: is 1\.5/],
    ['llama', 'llama', 'wide', undefined, /sliding_window: must be a number/],
    ['qwen2', 'qwen2', 64, [true], /sliding_window_pattern: must be .* each of 3 layers/],
  ])('of %s is refused: case %#', (family, architecture, size, pattern, message) => {
    expect(() => window(family, architecture, size, pattern)).toThrow(ModelError);
    expect(() => window(family, architecture, size, pattern)).toThrow(message);
  });
});

test('keys that older files lack have the meaning that llama.cpp gives them', () => {
  const without = (family: string, architecture: string, ...keys: string[]) =>
    open(family, Object.fromEntries(keys.map((key) => [`${architecture}.${key}`, undefined]))).spec;
  expect(without('mixtral', 'llama', 'rope.freq_base').ropeTheta).toBe(10_000);
  expect(without('glm4-moe', 'glm4moe', 'rope.dimension_count').rotaryDim).toBe(16);
  const { tensors } = ggufModel('qwen3');
  // Heads as long as hidden_size / heads, and as many of keys as of queries.
  const halved = tensors.map((tensor) => {
    if (!/attn_(q|k|v|output)/.test(tensor.name)) return tensor;
    const shape = tensor.shape.map((dim) => (dim === 96 || dim === 32 ? 60 : dim === 16 ? 10 : dim));
    return { ...tensor, shape };
  });
  const change = { 'qwen3.attention.key_length': undefined, 'qwen3.attention.head_count_kv': undefined };
  expect(open('qwen3', change, halved).spec).toMatchObject({ headDim: 10, numKvHeads: 6 });
});

test('experts whose width is left out share the dense one', () => {
  const change = {
    'qwen2moe.feed_forward_length': 72,
    'qwen2moe.expert_feed_forward_length': undefined,
    'qwen2moe.expert_shared_feed_forward_length': undefined,
  };
  const widened = ggufModel('qwen2-moe').tensors.map((tensor) => ({
    ...tensor,
    shape: tensor.shape.map((dim) => (tensor.name.includes('shexp') && dim === 40 ? 72 : dim)),
  }));
  const { moeIntermediateSize, sharedIntermediateSize } = open('qwen2-moe', change, widened).spec;
  expect([moeIntermediateSize, sharedIntermediateSize]).toEqual([24, 72]);
  const odd = { ...change, 'qwen2moe.feed_forward_length': 73 };
  expect(() => open('qwen2-moe', odd)).toThrow(/qwen2moe\.expert_feed_forward_length: /);
});

test('experts stand one by one in the first files of MoE models', () => {
  const { tensors } = ggufModel('mixtral');
  const oneByOne = tensors.flatMap((tensor): TensorEntry[] => {
    if (!tensor.name.includes('_exps')) return [tensor];
    const [count = 0, ...shape] = tensor.shape;
    return Array.from({ length: count }, (_, e) => ({ name: tensor.name.replace('_exps', `.${e}`), shape }));
  });
  const { plan, unused } = open('mixtral', {}, oneByOne);
  expect(unused).toEqual([]);
  expect(plan.tensors.find(({ name }) => name === 'model.layers.1.mlp.experts.6.down_proj.weight')?.shape).toEqual([
    60, 88,
  ]);
  const rest = oneByOne.filter(({ name }) => name !== 'blk.2.ffn_up.5.weight');
  expect(() => open('mixtral', {}, rest)).toThrow('missing blk.2.ffn_up.5.weight');
});

test('an MTP layer without an embedding and an output layer of its own has those of the model', () => {
  const isCopy = ({ name }: TensorEntry) => /nextn\.(embed_tokens|shared_head_head)/.test(name);
  const tensors = ggufModel('glm4-moe').tensors;
  expect(tensors.filter(isCopy)).toHaveLength(2);
  const { spec, plan, unused } = open(
    'glm4-moe',
    {},
    tensors.filter((tensor) => !isCopy(tensor)),
  );
  expect([spec.numMtpLayers, unused]).toEqual([1, []]);
  const offsetOf = (end: string) => plan.tensors.find(({ name }) => name === end)?.offset;
  expect(offsetOf('model.layers.3.embed_tokens.weight')).toBe(offsetOf('model.embed_tokens.weight'));
  expect(offsetOf('model.layers.3.shared_head.head.weight')).toBe(offsetOf('lm_head.weight'));
});

test('weights of chosen experts are normalised as the file says', () => {
  expect(open('qwen3-moe').spec.normTopkProb).toBe(true);
  expect(open('qwen2-moe', { 'qwen2moe.expert_weights_norm': true }).spec.normTopkProb).toBe(true);
});

test('YaRN in heads that MLA does not have takes the multiplier as it stands', () => {
  const yarn = {
    'qwen3.rope.scaling.type': 'yarn',
    'qwen3.rope.scaling.factor': 4,
    'qwen3.rope.scaling.original_context_length': 128,
  };
  const factorOf = (change: Record<string, Value>) => {
    const { ropeScaling } = open('qwen3', { ...yarn, ...change }).spec;
    return ropeScaling.type === 'yarn' ? ropeScaling.attentionFactor : undefined;
  };
  const stretch = (mscale: number) => 0.1 * mscale * Math.log(4) + 1;
  expect(factorOf({})).toBeCloseTo(stretch(1), 12);
  const multiplier = { 'qwen3.rope.scaling.yarn_log_multiplier': 0.5 };
  expect(factorOf(multiplier)).toBeCloseTo(stretch(1) / stretch(0.5), 12);
});

test.each<[string, Record<string, Value>, RegExp]>([
  ['llama', { 'llama.attention.scale': 0.25 }, /llama\.attention\.scale: is 0\.25, supported is none or 0/],
  ['llama', { 'llama.logit_scale': 0.5 }, /llama\.logit_scale: is 0\.5/],
  ['llama', { 'llama.attention.causal': false }, /llama\.attention\.causal: is false/],
  ['deepseek-v3', { 'deepseek2.attention.temperature_scale': 0.5 }, /temperature_scale: is 0\.5/],
  ['glm4-moe', { 'glm4moe.rope.dimension_sections': [8, 4, 4, 0] }, /rope\.dimension_sections/],
  ['mixtral', { 'llama.expert_weights_scale': 2.5 }, /llama\.expert_weights_scale: is 2\.5/],
  ['minimax-m2', { 'minimax-m2.expert_weights_norm': false }, /minimax-m2\.expert_weights_norm: is false/],
  ['olmoe', { 'olmoe.attention.clamp_kqv': 8 }, /olmoe\.attention\.clamp_kqv: is 8/],
])('%s with an option that changes the mathematics is refused: case %#', (family, change, message) => {
  expect(() => open(family, change)).toThrow(ModelError);
  expect(() => open(family, change)).toThrow(message);
});
