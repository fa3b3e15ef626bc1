// What becomes of which tensor, by its place in the model, and how files are cut and laid out.
import { parseSafetensorsHeader, type WeightTensor } from '@switchyard/model';
import { describe, expect, test } from 'vitest';
import { type ConversionPlan, planConversions } from '../src/checkpoint/conversion.js';
import { cutShards, indexOf } from '../src/checkpoint/shards.js';

const LAYER = 'model.layers.3.';
let nextOffset = 0;

function tensor(name: string, shape: number[], dtype: WeightTensor['dtype'] = 'BF16'): WeightTensor {
  const bytes = shape.reduce((product, dim) => product * dim, 1) * (dtype === 'F32' ? 4 : dtype === 'F8_E4M3' ? 1 : 2);
  nextOffset += bytes;
  return { name, file: '/m/model.safetensors', offset: nextOffset - bytes, bytes, dtype, shape };
}

/** Of tensors that the plan knows by the same names. */
const plan = (tensors: WeightTensor[]): ConversionPlan => planConversions(tensors, { digest: '', tensors });

const kindOf = (name: string, shape = [6, 8], dtype: WeightTensor['dtype'] = 'BF16') =>
  plan([tensor(name, shape, dtype)]).conversions.map(({ kind }) => kind)[0];

test.each([
  'self_attn.q_proj.weight',
  'self_attn.q_a_proj.weight',
  'self_attn.q_b_proj.weight',
  'self_attn.kv_a_proj_with_mqa.weight',
  'self_attn.o_proj.weight',
  'mlp.gate_proj.weight',
  'mlp.shared_experts.up_proj.weight',
  'mlp.experts.17.down_proj.weight',
])('%s becomes INT8', (name) => {
  expect(kindOf(LAYER + name)).toBe('quantize');
});

test.each([
  'lm_head.weight',
  `${LAYER}mlp.gate.weight`,
  `${LAYER}mlp.shared_expert_gate.weight`,
  `${LAYER}self_attn.kv_b_proj.weight`,
  `${LAYER}eh_proj.weight`,
  `${LAYER}shared_head.head.weight`,
])('%s stays in floats and is named to readers', (name) => {
  const { conversions, ignore } = plan([tensor(name, [6, 8])]);
  expect(conversions[0]?.kind).toBe('copy');
  expect(ignore).toContain(name.replace('.weight', ''));
});

test('embeddings, norms and biases stay in floats and are no linear layers', () => {
  const tensors = [
    tensor('model.embed_tokens.weight', [6, 8]),
    tensor(`${LAYER}embed_tokens.weight`, [6, 8]),
    tensor('model.norm.weight', [8]),
    tensor(`${LAYER}self_attn.q_proj.bias`, [8]),
  ];
  const { conversions, ignore } = plan(tensors);
  expect(conversions.map(({ kind }) => kind)).toEqual(['copy', 'copy', 'copy', 'copy']);
  expect(ignore).toEqual(['lm_head']);
});

test('names are those of the files, also where libs/model calls tensors otherwise', () => {
  const expert = tensor('model.layers.0.block_sparse_moe.experts.1.w2.weight', [6, 8]);
  const gate = tensor('model.layers.0.block_sparse_moe.gate.weight', [4, 8]);
  const tensors = [
    { ...expert, name: 'model.layers.0.mlp.experts.1.down_proj.weight' },
    { ...gate, name: 'model.layers.0.mlp.gate.weight' },
  ];
  const { conversions, ignore } = planConversions([expert, gate], { digest: '', tensors });
  expect(conversions[0]?.outputs.map(({ name }) => name)).toEqual([expert.name, `${expert.name}_scale`]);
  expect(ignore).toEqual(['lm_head', 'model.layers.0.block_sparse_moe.gate']);
});

test('scales have the type of the weights, but fp32 beside fp16', () => {
  const scaleOf = (dtype: WeightTensor['dtype']) =>
    plan([tensor(`${LAYER}mlp.up_proj.weight`, [6, 8], dtype)]).conversions[0]?.outputs[1];
  expect(scaleOf('BF16')).toMatchObject({ dtype: 'BF16', shape: [6, 1], bytes: 12 });
  expect(scaleOf('F8_E4M3')).toMatchObject({ dtype: 'BF16' });
  expect(scaleOf('F32')).toMatchObject({ dtype: 'F32', bytes: 24 });
  expect(scaleOf('F16')).toMatchObject({ dtype: 'F32' });
});

test('8-bit floats lose their scales: what is not INT8 becomes bfloat16', () => {
  const scales = tensor(`${LAYER}self_attn.kv_b_proj.weight_scale_inv`, [1, 1], 'F32');
  const matrix = tensor(`${LAYER}self_attn.kv_b_proj.weight`, [6, 8], 'F8_E4M3');
  const planned = { ...matrix, scales, scaleBlock: [128, 128] as [number, number] };
  const { conversions } = planConversions([scales, matrix], { digest: '', tensors: [planned] });
  expect(conversions).toEqual([
    { kind: 'round', tensor: planned, outputs: [{ name: matrix.name, dtype: 'BF16', shape: [6, 8], bytes: 96 }] },
  ]);
});

test('what the model does not use is copied', () => {
  const unused = tensor('model.layers.0.self_attn.rotary_emb.inv_freq', [4], 'F32');
  expect(planConversions([unused], { digest: '', tensors: [] })).toMatchObject({ conversions: [{ kind: 'copy' }] });
});

describe('files', () => {
  const { conversions } = plan([
    tensor('model.norm.weight', [7]),
    tensor(`${LAYER}mlp.up_proj.weight`, [3, 5]),
    tensor(`${LAYER}mlp.down_proj.weight`, [5, 3], 'F32'),
  ]);

  test('one holds all that fits, laid out as the reader wants it, every tensor aligned to its elements', () => {
    const [shard, ...others] = cutShards(conversions, 1000);
    if (!shard) throw new Error('no shard');
    expect(others).toEqual([]);
    expect(indexOf([shard])).toBeNull();
    expect(shard.file).toBe('model.safetensors');
    const bytes = Buffer.alloc(shard.bytes);
    bytes.set(shard.header);
    const tensors = parseSafetensorsHeader(bytes, shard.bytes, shard.file);
    expect(tensors.map(({ name, dtype }) => `${name} ${dtype}`)).toEqual([
      `${LAYER}mlp.down_proj.weight_scale F32`,
      'model.norm.weight BF16',
      `${LAYER}mlp.up_proj.weight_scale BF16`,
      `${LAYER}mlp.up_proj.weight I8`,
      `${LAYER}mlp.down_proj.weight I8`,
    ]);
    for (const { name, dtype, offset } of tensors) {
      expect(offset % (dtype === 'F32' ? 4 : dtype === 'BF16' ? 2 : 1)).toBe(0);
      expect(shard.nameToTensor.get(name)?.offset).toBe(offset);
    }
  });

  test('several have an index, and a matrix lies with its scales', () => {
    const shards = cutShards(conversions, 36);
    expect(shards.map(({ file }) => file)).toEqual([
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
    ]);
    expect(indexOf(shards)).toEqual({
      metadata: { total_size: 14 + 15 + 6 + 15 + 20 },
      weight_map: {
        [`${LAYER}mlp.down_proj.weight`]: 'model-00002-of-00002.safetensors',
        [`${LAYER}mlp.down_proj.weight_scale`]: 'model-00002-of-00002.safetensors',
        [`${LAYER}mlp.up_proj.weight`]: 'model-00001-of-00002.safetensors',
        [`${LAYER}mlp.up_proj.weight_scale`]: 'model-00001-of-00002.safetensors',
        'model.norm.weight': 'model-00001-of-00002.safetensors',
      },
    });
  });

  test('one tensor that is too large has a file of its own', () => {
    expect(cutShards(conversions, 1)).toHaveLength(3);
  });
});
