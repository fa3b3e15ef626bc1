// Headers of safetensors files: the shipped one, and every way in which one can be wrong.
import { describe, expect, test } from 'vitest';
import {
  checkSafetensorsIndex,
  ModelError,
  makeWeightPlan,
  parseModelConfig,
  parseSafetensorsHeader,
  parseSafetensorsIndex,
  type WeightTensor,
} from '../src/index.js';
import { headerOf, tinyConfig, tinyHeader } from './tiny.js';

const FILE = 'model.safetensors';

/** Parses a header with these entries in a file whose data has `dataBytes`. */
function parse(entries: unknown, dataBytes: number): WeightTensor[] {
  const bytes = headerOf(JSON.stringify(entries));
  return parseSafetensorsHeader(bytes, bytes.byteLength + dataBytes, FILE);
}

const vector = (begin: number, end: number) => ({
  dtype: 'F32',
  shape: [(end - begin) / 4],
  data_offsets: [begin, end],
});

describe('parseSafetensorsHeader', () => {
  test('reads the shipped model', () => {
    const { bytes, fileBytes } = tinyHeader();
    const tensors = parseSafetensorsHeader(bytes, fileBytes, FILE);
    expect(tensors).toHaveLength(571);
    expect(tensors[0]).toEqual({
      name: 'lm_head.weight',
      file: FILE,
      offset: bytes.byteLength,
      bytes: 786432,
      dtype: 'BF16',
      shape: [2048, 192],
    });
  });

  test('sorts by offset and takes scalars, empty tensors and metadata', () => {
    const tensors = parse(
      {
        __metadata__: { format: 'pt' },
        b: vector(8, 16),
        scalar: { dtype: 'F32', shape: [], data_offsets: [4, 8] },
        empty: { dtype: 'F16', shape: [0, 3], data_offsets: [4, 4] },
        a: vector(0, 4),
      },
      16,
    );
    expect(tensors.map((tensor) => tensor.name)).toEqual(['a', 'empty', 'scalar', 'b']);
  });

  test.each<[string, unknown, number, RegExp]>([
    ['a truncated file', { a: vector(0, 8) }, 7, /^model\.safetensors: is truncated/],
    ['bytes after the last tensor', { a: vector(0, 8) }, 9, /^model\.safetensors: has 1 bytes that no tensor owns/],
    ['an overlap', { a: vector(0, 8), b: vector(4, 12) }, 12, /^b: .*overlaps/],
    ['a gap', { a: vector(0, 4), b: vector(8, 12) }, 12, /^b: .*gap/],
    [
      'an unknown dtype',
      { a: { ...vector(0, 4), dtype: 'F8_E5M2' } },
      4,
      /^a: .*"F8_E5M2", supported are BF16, F16, F32, F8_E4M3, I8/,
    ],
    ['a dtype from the prototype', { a: { ...vector(0, 4), dtype: 'constructor' } }, 4, /^a: .*dtype/],
    [
      'a shape of other size',
      { a: { ...vector(0, 8), shape: [3] } },
      8,
      /^a: .*has 8 bytes, F32 of shape \[3\] needs 12/,
    ],
    ['a negative dimension', { a: { ...vector(0, 4), shape: [-1, -1] } }, 4, /^a: .*shape/],
    ['a fraction for a dimension', { a: { ...vector(0, 4), shape: [0.5, 2] } }, 4, /^a: .*shape/],
    ['huge dimensions', { a: { ...vector(0, 4), shape: [2 ** 50, 2 ** 50, 2 ** 50] } }, 4, /^a: .*impossible shape/],
    ['many dimensions', { a: { ...vector(0, 4), shape: new Array(9).fill(1) } }, 4, /^a: .*shape/],
    ['reversed offsets', { a: { ...vector(0, 4), data_offsets: [4, 0] } }, 4, /^a: .*begin <= end/],
    ['three offsets', { a: { ...vector(0, 4), data_offsets: [0, 4, 8] } }, 4, /^a: .*data_offsets/],
    ['text for offsets', { a: { ...vector(0, 4), data_offsets: ['0', '4'] } }, 4, /^a: .*data_offsets/],
    ['null for a tensor', { a: null }, 0, /^a: .*not an object/],
    ['a list', [], 0, /^model\.safetensors: .*not a JSON object/],
  ])('refuses %s', (_, entries, dataBytes, message) => {
    expect(() => parse(entries, dataBytes)).toThrow(ModelError);
    expect(() => parse(entries, dataBytes)).toThrow(message);
  });

  test('refuses a name that stands twice, since one of the two leaves a gap', () => {
    const [first, second] = [JSON.stringify(vector(0, 4)), JSON.stringify(vector(4, 8))];
    const bytes = headerOf(`{"a":${first},"a":${second}}`);
    expect(() => parseSafetensorsHeader(bytes, bytes.byteLength + 8, FILE)).toThrow(/gap/);
  });

  test.each<[string, Uint8Array, number, RegExp]>([
    ['an empty file', new Uint8Array(), 0, /truncated: 0 bytes/],
    ['a file cut in its size field', new Uint8Array(5), 5, /truncated: 5 bytes/],
    ['a header of 2^64 bytes', new Uint8Array(64).fill(0xff), 64, /says its header has 18446744073709551615 bytes/],
    ['a file cut in its header', headerOf('{"a":1}').subarray(0, 10), 10, /truncated: its header ends at byte 15/],
    ['a header that is not JSON', headerOf('{"a":'), 13, /not JSON/],
    ['a header that is not UTF-8', new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0xff]), 9, /not JSON/],
  ])('refuses %s', (_, bytes, fileBytes, message) => {
    expect(() => parseSafetensorsHeader(bytes, fileBytes, FILE)).toThrow(message);
  });
});

describe('an index of several files', () => {
  const index = parseSafetensorsIndex({ metadata: {}, weight_map: { a: 'two.safetensors', b: 'one.safetensors' } });
  const tensor = (name: string, file: string): WeightTensor => ({
    name,
    file,
    offset: 0,
    bytes: 0,
    dtype: 'F32',
    shape: [0],
  });

  test('lists its files in order', () => {
    expect(index.files).toEqual(['one.safetensors', 'two.safetensors']);
  });

  test('agrees with the files or names the tensor', () => {
    const [a, b] = [tensor('a', 'two.safetensors'), tensor('b', 'one.safetensors')];
    expect(() => checkSafetensorsIndex(index, [a, b])).not.toThrow();
    expect(() => checkSafetensorsIndex(index, [a])).toThrow(/^b: is missing in one/);
    expect(() => checkSafetensorsIndex(index, [a, tensor('b', 'two.safetensors')])).toThrow(/^b: lies in two/);
    expect(() => checkSafetensorsIndex(index, [a, b, tensor('c', 'one.safetensors')])).toThrow(/^c: lies in one/);
  });

  test.each([
    null,
    {},
    { weight_map: [] },
    { weight_map: {} },
    { weight_map: { a: 7 } },
    { weight_map: { a: '../secret.safetensors' } },
    { weight_map: { a: '/etc/passwd' } },
    { weight_map: { a: 'a/b.safetensors' } },
  ])('refuses %o', (json) => {
    expect(() => parseSafetensorsIndex(json)).toThrow(ModelError);
  });
});

describe('makeWeightPlan', () => {
  const spec = parseModelConfig(tinyConfig());
  const { bytes, fileBytes } = tinyHeader();
  const tensors = parseSafetensorsHeader(bytes, fileBytes, FILE);

  test('uses every tensor of the shipped model', () => {
    const { plan, unused } = makeWeightPlan(spec, tensors, 'd1');
    expect(plan.digest).toBe('d1');
    expect(plan.tensors).toHaveLength(tensors.length);
    expect(new Set(plan.tensors)).toEqual(new Set(tensors));
    expect(unused).toEqual([]);
  });

  test('lists what it does not use', () => {
    const { plan, unused } = makeWeightPlan({ ...spec, numMtpLayers: 0 }, tensors, 'd');
    expect(unused).toHaveLength(tensors.length - plan.tensors.length);
    expect(unused.every((name) => name.startsWith('model.layers.5.'))).toBe(true);
    expect(unused).toContain('model.layers.5.eh_proj.weight');
  });

  test('names a missing tensor', () => {
    const rest = tensors.filter((tensor) => tensor.name !== 'model.layers.3.mlp.experts.7.up_proj.weight');
    expect(() => makeWeightPlan(spec, rest, 'd')).toThrow(
      /missing model\.layers\.3\.mlp\.experts\.7\.up_proj\.weight$/,
    );
  });

  test('ends early where millions are missing', () => {
    const huge = { ...spec, numLayers: 1024, numExperts: 4096 };
    expect(() => makeWeightPlan(huge, [], 'd')).toThrow(/missing model\.embed_tokens.* and perhaps more$/);
  });

  test('names a tensor of the wrong shape', () => {
    expect(() => makeWeightPlan({ ...spec, kvLoraRank: 32 }, tensors, 'd')).toThrow(
      /^model\.layers\.0\.self_attn\.kv_a_proj_with_mqa\.weight: has shape \[80, 192\] in model\.safetensors, .* \[48, 192\]/,
    );
  });

  test('names a tensor that stands in two files', () => {
    const twice = [...tensors, { ...(tensors[0] as WeightTensor), file: 'other.safetensors' }];
    expect(() => makeWeightPlan(spec, twice, 'd')).toThrow(/^lm_head\.weight: stands in both/);
  });
});
