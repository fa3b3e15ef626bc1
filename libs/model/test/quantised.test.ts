// Checkpoints with 8-bit matrices: scales by block, row or matrix; what fits the configuration and what contradicts it.
import { describe, expect, test } from 'vitest';
import {
  choosePolicy,
  type ModelSpec,
  makeWeightPlan,
  numericPolicies,
  numericPolicyOf,
  parseModelConfig,
  toExecutorSpec,
  type WeightTensor,
} from '../src/index.js';
import type { TensorDtype } from '../src/spec.js';
import { fillTemplate, listTensors } from '../src/tensor-list.js';
import { configs } from './families.js';

const fp8 = { quant_method: 'fp8', fmt: 'e4m3', activation_scheme: 'dynamic', weight_block_size: [128, 128] };
const weights = { num_bits: 8, type: 'int', symmetric: true, strategy: 'channel', dynamic: false, group_size: null };
const activations = { num_bits: 8, type: 'int', symmetric: true, strategy: 'token', dynamic: true };
const w8a8 = {
  quant_method: 'compressed-tensors',
  format: 'int-quantized',
  quantization_status: 'compressed',
  kv_cache_scheme: null,
  config_groups: {
    group_0: { targets: ['Linear'], weights, input_activations: activations, output_activations: null },
  },
  ignore: ['lm_head'],
};

/** W8A8 with other arguments of its weights, and of the group. */
const withWeights = (change: Record<string, unknown>, group: Record<string, unknown> = {}) => ({
  ...w8a8,
  format: change.type === 'float' ? 'float-quantized' : 'int-quantized',
  config_groups: { a: { weights: { ...weights, ...change }, input_activations: activations, ...group } },
});

const specOf = (quantization_config?: unknown, change: Record<string, unknown> = {}): ModelSpec =>
  parseModelConfig({ ...configs().qwen3, ...change, quantization_config });

/** A checkpoint whose projections are of this type, with scales of these shapes. */
function checkpoint(spec: ModelSpec, dtype: TensorDtype, suffix: string, scaleShape: (shape: number[]) => number[]) {
  return [...listTensors(spec)].flatMap((expected): WeightTensor[] => {
    const name = fillTemplate(expected.template, expected);
    const plain: WeightTensor = { name, file: 'f', offset: 0, bytes: 0, dtype: 'BF16', shape: expected.shape };
    if (!name.includes('_proj.weight')) return [plain];
    const scales: WeightTensor = { ...plain, name: name + suffix, dtype: 'F32', shape: scaleShape(expected.shape) };
    return [{ ...plain, dtype }, scales];
  });
}

const fp8Checkpoint = (spec: ModelSpec) =>
  checkpoint(spec, 'F8_E4M3', '_scale_inv', (shape) => shape.map((dim) => Math.ceil(dim / 128)));
const int8Checkpoint = (spec: ModelSpec) => checkpoint(spec, 'I8', '_scale', ([rows = 0]) => [rows, 1]);
const DOWN = 'model.layers.1.mlp.down_proj.weight';

describe('block-scaled fp8', () => {
  test('brings each matrix with its scales', () => {
    const spec = specOf(fp8, { intermediate_size: 300 });
    expect(spec.quantization).toMatchObject({ dtype: 'F8_E4M3', sharing: [128, 128] });
    const { plan, unused } = makeWeightPlan(spec, fp8Checkpoint(spec), 'd');
    expect(unused).toEqual([]);
    const down = plan.tensors.find(({ name }) => name === DOWN);
    const scales = { dtype: 'F32', shape: [1, 3] };
    expect(down).toMatchObject({ dtype: 'F8_E4M3', shape: [60, 300], scales, scaleBlock: [128, 128] });
    expect(plan.tensors.find(({ name }) => name === 'lm_head.weight')?.scales).toBeUndefined();
  });

  test('cuts row-parallel products between blocks only', () => {
    const wide = { num_attention_heads: 8, head_dim: 64, intermediate_size: 1024 };
    expect(specOf(fp8, wide).numSlices).toBe(8);
    const planOf = (spec: ModelSpec) => makeWeightPlan(spec, fp8Checkpoint(spec), 'd').spec.numSlices;
    expect(planOf(specOf(fp8, wide))).toBe(4);
    expect(planOf(specOf(fp8, { ...wide, intermediate_size: 1000 }))).toBe(1);
  });
});

test('blocks of fp8 may have any shape', () => {
  const spec = specOf({ ...fp8, weight_block_size: [32, 44] });
  const scaleShape = ([rows = 0, columns = 0]: number[]) => [Math.ceil(rows / 32), Math.ceil(columns / 44)];
  const { plan, spec: planned } = makeWeightPlan(spec, checkpoint(spec, 'F8_E4M3', '_scale_inv', scaleShape), 'd');
  const down = plan.tensors.find(({ name }) => name === DOWN);
  expect(down).toMatchObject({ shape: [60, 88], scales: { shape: [2, 2] }, scaleBlock: [32, 44] });
  expect(planned.numSlices).toBe(1);
});

test('W8A8 brings a scale a row, and cuts anywhere', () => {
  const spec = specOf(w8a8);
  expect(spec.quantization).toMatchObject({ dtype: 'I8', sharing: 'row', activations: 'int8-token' });
  const { plan, unused, spec: planned } = makeWeightPlan(spec, int8Checkpoint(spec), 'd');
  expect(unused).toEqual([]);
  expect(plan.tensors.find(({ name }) => name === DOWN)).toMatchObject({ dtype: 'I8', scales: { shape: [60, 1] } });
  expect(planned.numSlices).toBe(spec.numSlices);
});

test.each<[string, unknown, TensorDtype, (shape: number[]) => number[], [number, number]]>([
  ['a row as a vector', w8a8, 'I8', ([rows = 0]) => [rows], [1, 88]],
  ['a matrix', withWeights({ strategy: 'tensor' }), 'I8', () => [1], [60, 88]],
  ['a matrix as a scalar', withWeights({ strategy: 'tensor', type: 'float' }), 'F8_E4M3', () => [], [60, 88]],
  ['a row of fp8', withWeights({ type: 'float' }), 'F8_E4M3', ([rows = 0]) => [rows, 1], [1, 88]],
  [
    'a block',
    withWeights({ type: 'float', strategy: 'block', block_structure: [30, 44] }),
    'F8_E4M3',
    ([rows = 0, columns = 0]) => [Math.ceil(rows / 30), Math.ceil(columns / 44)],
    [30, 44],
  ],
])('compressed-tensors may have a scale for %s', (_, config, dtype, scaleShape, scaleBlock) => {
  const spec = specOf(config);
  const { plan, unused } = makeWeightPlan(spec, checkpoint(spec, dtype, '_scale', scaleShape), 'd');
  expect(unused).toEqual([]);
  expect(plan.tensors.find(({ name }) => name === DOWN)).toMatchObject({ dtype, scaleBlock });
});

test('compressed-tensors names what activations are rounded to, or nothing', () => {
  const activationsOf = (config: unknown) => {
    const { quantization } = specOf(config);
    return typeof quantization === 'object' && quantization.activations;
  };
  expect(activationsOf(withWeights({}, { input_activations: { ...activations, type: 'float' } }))).toBe('fp8');
  expect(activationsOf(withWeights({}, { input_activations: null }))).toBeNull();
  expect(activationsOf({ ...w8a8, transform_config: {}, sparsity_config: {} })).toBe('int8-token');
  expect(activationsOf(withWeights({}, { input_activations: { ...activations, dynamic: false } }))).toBe('int8');
});

test.each<[string, unknown, string]>([
  ['W8A8', w8a8, 'w8a8'],
  ['W8A8 with a scale a matrix', withWeights({ strategy: 'tensor' }), 'w8a8'],
  ['int8 weights by blocks', withWeights({ strategy: 'block', block_structure: [30, 44] }), 'fp32'],
  ['int8 weights alone', withWeights({}, { input_activations: null }), 'fp32'],
  ['static int8 activations', withWeights({}, { input_activations: { ...activations, strategy: 'tensor' } }), 'fp32'],
  ['fp8 weights and activations', withWeights({ type: 'float' }), 'fp32'],
  ['plain floats', undefined, 'fp32'],
])('%s is served in its policy', (_, config, policy) => {
  expect(numericPolicyOf(specOf(config))).toBe(policy);
});

test('a policy that is asked for is the own one of a checkpoint, fp32, or bf16 where it has matrices of that', () => {
  const weights = { digest: 'd', tensors: fp8Checkpoint(specOf(fp8)).filter(({ dtype }) => dtype === 'BF16') };
  const own = { fp32: specOf(undefined), w8a8: specOf(w8a8), 'block-a8': { quantization: 'gguf' } as const };
  for (const [policy, spec] of Object.entries(own)) {
    expect(choosePolicy(spec, weights)).toBe(policy);
    const possible = new Set<string>([policy, 'fp32', ...(policy === 'fp32' ? ['bf16'] : [])]);
    for (const choice of numericPolicies) {
      if (possible.has(choice)) expect(choosePolicy(spec, weights, choice)).toBe(choice);
      else
        expect(() => choosePolicy(spec, weights, choice)).toThrow(
          `policy: is ${choice}, this checkpoint can be served in`,
        );
    }
  }
  expect(() => choosePolicy(own.fp32, { digest: 'd', tensors: [] }, 'bf16')).toThrow('can be served in fp32');
});

test.each<[string, unknown, (spec: ModelSpec) => WeightTensor[], RegExp]>([
  ['fp8 that the configuration does not name', undefined, fp8Checkpoint, /is F8_E4M3 .*configuration says none/],
  ['int8 where fp8 is named', fp8, int8Checkpoint, /is I8 .*configuration says F8_E4M3/],
  ['fp8 where int8 is named', w8a8, fp8Checkpoint, /is F8_E4M3 .*configuration says I8/],
])('%s is refused', (_, config, make, message) => {
  const spec = specOf(config);
  expect(() => makeWeightPlan(spec, make(spec), 'd')).toThrow(message);
});

test.each<[string, (tensors: WeightTensor[]) => WeightTensor[], RegExp]>([
  [
    'without scales',
    (all) => all.filter(({ name }) => name !== `${DOWN}_scale`),
    /down_proj\.weight_scale: is missing/,
  ],
  [
    'with scales of another shape',
    (all) => all.map((one) => (one.name === `${DOWN}_scale` ? { ...one, shape: [59, 1] } : one)),
    /down_proj\.weight_scale: has shape \[59, 1\]/,
  ],
  [
    'with quantised scales',
    (all) => all.map((one) => (one.name === `${DOWN}_scale` ? { ...one, dtype: 'I8' } : one)),
    /down_proj\.weight_scale: is I8, scales must be plain/,
  ],
  [
    'with a quantised norm',
    (all) => all.map((one) => (one.name === 'model.norm.weight' ? { ...one, dtype: 'I8' } : one)),
    /^model\.norm\.weight: is a vector of I8/,
  ],
])('a checkpoint %s is refused', (_, change, message) => {
  const spec = specOf(w8a8);
  expect(() => makeWeightPlan(spec, change(int8Checkpoint(spec)), 'd')).toThrow(message);
});

const other = { weights: { ...weights, strategy: 'tensor' }, input_activations: activations };
test.each<[string, unknown]>([
  ['quant_method', { quant_method: 'gptq', bits: 4 }],
  ['quant_method', { quant_method: 'awq' }],
  ['quant_method', { quant_method: 'bitsandbytes', load_in_8bit: true }],
  ['quant_method', { quant_method: 'mxfp4' }],
  ['quant_method', { load_in_4bit: true }],
  ['weight_block_size', { ...fp8, weight_block_size: [64] }],
  ['weight_block_size', { ...fp8, weight_block_size: null }],
  ['weight_block_size', { quant_method: 'fp8' }],
  ['weight_block_size.1', { ...fp8, weight_block_size: [64, 0] }],
  ['fmt', { ...fp8, fmt: 'e5m2' }],
  ['activation_scheme', { ...fp8, activation_scheme: 'static' }],
  ['format', { ...w8a8, format: 'pack-quantized' }],
  ['format', { ...w8a8, format: 'mixed-precision' }],
  ['quantization_status', { ...w8a8, quantization_status: 'calibration' }],
  ['kv_cache_scheme', { ...w8a8, kv_cache_scheme: { num_bits: 8 } }],
  ['sparsity_config.format', { ...w8a8, sparsity_config: { format: 'sparse-24-bitmask' } }],
  ['transform_config.config_groups', { ...w8a8, transform_config: { config_groups: { R1: {} } } }],
  ['config_groups', { ...w8a8, config_groups: {} }],
  ['config_groups.group_1', { ...w8a8, config_groups: { ...w8a8.config_groups, group_1: other } }],
  ['config_groups.a.weights.num_bits', withWeights({ num_bits: 4 })],
  ['config_groups.a.weights.type', withWeights({ type: 'fp4' })],
  ['config_groups.a.weights.symmetric', withWeights({ symmetric: false })],
  ['config_groups.a.weights.strategy', withWeights({ strategy: 'group', group_size: 128 })],
  ['config_groups.a.weights.block_structure', withWeights({ strategy: 'block' })],
  ['config_groups.a.weights.dynamic', withWeights({ dynamic: true })],
  ['config_groups.a.weights.actorder', withWeights({ actorder: 'weight' })],
  [
    'config_groups.a.input_activations.num_bits',
    withWeights({}, { input_activations: { ...activations, num_bits: 4 } }),
  ],
  ['config_groups.a.output_activations', withWeights({}, { output_activations: activations })],
  ['config_groups.a.format', withWeights({}, { format: 'nvfp4-pack-quantized' })],
])('a configuration with another %s is refused: case %#', (field, config) => {
  expect(() => specOf(config)).toThrow(`config.json:quantization_config.${field}: `);
});

describe('the executor', () => {
  test('takes every family without what it does not know', () => {
    for (const config of Object.values(configs())) {
      const spec = parseModelConfig(config);
      const given = toExecutorSpec(spec);
      expect(given).toMatchObject({
        attention: spec.attention,
        numExperts: spec.numExperts,
        ropeScaling: spec.ropeScaling,
      });
      expect(Object.keys(given)).not.toContain('eosTokenIds');
      expect(Object.values(given)).not.toContain(undefined);
    }
  });
});
