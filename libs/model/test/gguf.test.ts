// GGUF files: headers right and wrong, and every architecture as the family it is of.
import { describe, expect, test } from 'vitest';
import { ModelError, readGgufHeader, readGgufModel } from '../src/index.js';
import { type GgufFile, GgufWriter, ggufFile, sourceOf, type TensorEntry, type Value } from './gguf-file.js';
import { directorySpec, ggufFamilies, ggufModel } from './gguf-models.js';

const read = (metadata: Record<string, Value>, tensors: readonly TensorEntry[] = []) =>
  readGgufHeader(sourceOf(ggufFile(metadata, tensors)));

const open = (name: string, change: Record<string, Value | undefined> = {}, tensors?: TensorEntry[]) => {
  const model = ggufModel(name, change);
  return readGgufModel(read(model.metadata, tensors ?? model.tensors), 'd');
};

describe('a header', () => {
  test('has values of all types', () => {
    const values: Record<string, Value> = {
      u8: { type: 0, value: 255 },
      i8: { type: 1, value: -128 },
      u16: { type: 2, value: 65_535 },
      i16: { type: 3, value: -32_768 },
      u32: { type: 4, value: 2 ** 32 - 1 },
      i32: { type: 5, value: -(2 ** 31) },
      f32: { type: 6, value: 0.5 },
      bool: true,
      text: 'größe 🙂',
      u64: { type: 10, value: 2n ** 64n - 1n },
      i64: { type: 11, value: -7 },
      f64: { type: 12, value: 0.1 },
      list: ['a', '', 'b'],
      nested: [[1, 2], [3]],
      empty: [],
    };
    const { metadata } = read(values);
    const plain = Object.entries(values).map(([key, value]) => [key, (value as { value?: unknown }).value ?? value]);
    expect(Object.fromEntries(metadata.entries)).toEqual(Object.fromEntries(plain));
  });

  test('puts tensors where they lie, shapes row-major', () => {
    const entries: TensorEntry[] = [
      { name: 'a', shape: [3] },
      { name: 'b', shape: [2, 256], dtype: 'Q4_K' },
      { name: 'c', shape: [4, 2, 32], dtype: 'Q8_0' },
    ];
    const file = ggufFile({}, entries);
    const { tensors, headerBytes } = readGgufHeader(sourceOf(file));
    const start = Math.ceil(headerBytes / 32) * 32;
    const common = { file: 'model.gguf' };
    expect(tensors).toEqual([
      { ...common, name: 'a', offset: start, bytes: 12, dtype: 'F32', shape: [3] },
      { ...common, name: 'b', offset: start + 32, bytes: 288, dtype: 'Q4_K', shape: [2, 256] },
      { ...common, name: 'c', offset: start + 320, bytes: 272, dtype: 'Q8_0', shape: [4, 2, 32] },
    ]);
    expect(file.fileBytes).toBe(start + 592);
  });

  const hostile = (write: (writer: GgufWriter) => GgufWriter): GgufFile => {
    const header = write(new GgufWriter().u32(0x46554747).u32(3)).finish();
    return { header, fileBytes: header.byteLength };
  };
  const oneEntry = (write: (writer: GgufWriter) => GgufWriter) =>
    hostile((writer) => write(writer.u64(0).u64(1).text('key')));
  const oneTensor = (write: (writer: GgufWriter) => GgufWriter) =>
    hostile((writer) => write(writer.u64(1).u64(0).text('w')));
  const padded = (file: GgufFile, bytes: number): GgufFile => ({ ...file, fileBytes: file.fileBytes + bytes });

  test.each<[string, GgufFile, RegExp]>([
    ['no bytes', { header: new Uint8Array(), fileBytes: 0 }, /^model\.gguf: is truncated/],
    ['another magic', { header: new GgufWriter().u32(1).u32(3).finish(), fileBytes: 8 }, /does not begin with "GGUF"/],
    ['version 1', { header: new GgufWriter().u32(0x46554747).u32(1).finish(), fileBytes: 8 }, /is of GGUF version 1/],
    [
      'big endian',
      {
        header: new GgufWriter()
          .u32(0x46554747)
          .u32(3 << 24)
          .finish(),
        fileBytes: 8,
      },
      /big-endian/,
    ],
    ['2^64 tensors', hostile((w) => w.u64(2n ** 64n - 1n).u64(0)), /number of tensors is 18446744073709551615/],
    ['2^60 entries', hostile((w) => w.u64(0).u64(2n ** 60n)), /number of metadata entries/],
    ['10^6 entries', hostile((w) => w.u64(0).u64(1_000_000)), /1000000 entries of metadata/],
    ['more tensors than bytes', hostile((w) => w.u64(200_000).u64(0)), /its list of tensors ends at byte/],
    [
      'an endless name',
      hostile((w) =>
        w
          .u64(0)
          .u64(1)
          .u64(2n ** 63n),
      ),
      /length of the name of a metadata entry/,
    ],
    ['a cut name', hostile((w) => w.u64(0).u64(1).u64(60_000)), /is truncated/],
    ['an endless text', oneEntry((w) => w.u32(8).u64(2n ** 40n)), /length of a text is 1099511627776/],
    [
      'an endless array',
      oneEntry((w) =>
        w
          .u32(9)
          .u32(4)
          .u64(2n ** 50n),
      ),
      /number of elements of key/,
    ],
    [
      'an array longer than the file',
      oneEntry((w) =>
        w
          .u32(9)
          .u32(8)
          .u64(1 << 20),
      ),
      /key ends at byte/,
    ],
    ['an array type that is none', oneEntry((w) => w.u32(9).u32(77).u64(1)), /unknown value type 77 in key/],
    ['a value type that is none', oneEntry((w) => w.u32(13)), /unknown value type 13 in key/],
    ['arrays in arrays', oneEntry((w) => [1, 2, 3, 4, 5].reduce((n) => n.u32(9).u64(1), w.u32(9))), /4 deep in key/],
    ['a name twice', hostile((w) => w.u64(0).u64(2).text('k').value(1).text('k').value(1)), /entry k twice/],
    [
      'a tensor of 0 dimensions',
      padded(
        oneTensor((w) => w.u32(0)),
        64,
      ),
      /^w: .*has 0 dimensions/,
    ],
    [
      'a tensor of 5 dimensions',
      padded(
        oneTensor((w) => w.u32(5)),
        64,
      ),
      /^w: .*has 5 dimensions/,
    ],
    ['an empty tensor', oneTensor((w) => w.u32(1).u64(0).u32(0).u64(0)), /^w: .*impossible shape \[0\]/],
    [
      'huge dimensions',
      oneTensor((w) =>
        w
          .u32(2)
          .u64(2n ** 52n)
          .u64(2n ** 52n)
          .u32(0)
          .u64(0),
      ),
      /^w: .*impossible shape/,
    ],
    [
      'a row of half a block',
      oneTensor((w) => w.u32(1).u64(48).u32(8).u64(0)),
      /^w: .*impossible shape \[48\].*blocks of 32/,
    ],
    ['an unknown type by name', oneTensor((w) => w.u32(1).u64(32).u32(10).u64(0)), /^w: .*is of type Q2_K/],
    ['an unknown type', oneTensor((w) => w.u32(1).u64(32).u32(99).u64(0)), /^w: .*is of type 99/],
    ['an unaligned offset', oneTensor((w) => w.u32(1).u64(32).u32(0).u64(8)), /^w: .*not aligned to 32/],
    ['a gap', oneTensor((w) => w.u32(1).u64(32).u32(0).u64(32)), /^w: .*gap/],
    ['a cut tensor', oneTensor((w) => w.u32(1).u64(32).u32(0).u64(0)), /^w: .*truncated/],
  ])('with %s is refused', (_, file, message) => {
    expect(() => readGgufHeader(sourceOf(file))).toThrow(ModelError);
    expect(() => readGgufHeader(sourceOf(file))).toThrow(message);
  });

  test('with tensors that overlap or share a name is refused', () => {
    const two = (name: string, offset: number) =>
      padded(
        hostile((w) =>
          w.u64(2).u64(0).text('a').u32(1).u64(16).u32(0).u64(0).text(name).u32(1).u64(16).u32(0).u64(offset),
        ),
        999,
      );
    expect(() => readGgufHeader(sourceOf(two('b', 32)))).toThrow(/overlaps/);
    expect(() => readGgufHeader(sourceOf(two('a', 64)))).toThrow(/^a: stands twice/);
    expect(readGgufHeader(sourceOf(two('b', 64))).tensors).toHaveLength(2);
  });

  test.each<[string, Value, RegExp]>([
    ['general.alignment', 48, /general\.alignment: is 48/],
    ['general.alignment', 'x', /general\.alignment: must be a number/],
  ])('with %s = %o is refused', (key, value, message) => {
    expect(() => read({ [key]: value })).toThrow(message);
  });
});

describe.each(ggufFamilies)('%s', (name) => {
  test('is the model that its directory is', () => {
    const { spec, unused, plan } = open(name);
    const expected = directorySpec(name);
    const { ropeScaling, ropeTheta, rmsNormEps, attentionScaleFactor, ...rest } = spec;
    const isPermuted = name === 'llama' || name === 'mixtral';
    expect(unused).toEqual([]);
    expect(rest).toEqual({
      ...structuredClone(expected),
      ...(isPermuted && { ropeInterleaved: true }),
      // An untied head is a tensor of its own in both.
      tieWordEmbeddings: expected.tieWordEmbeddings,
      ropeScaling: undefined,
      ropeTheta: undefined,
      rmsNormEps: undefined,
      attentionScaleFactor: undefined,
    });
    expect(ropeScaling.type).toBe(expected.ropeScaling.type);
    expect([ropeTheta, rmsNormEps]).toEqual([Math.fround(10_000.5), Math.fround(1.1e-6)]);
    expect(attentionScaleFactor).toBeCloseTo(expected.attentionScaleFactor, 6);
    expect(plan.tensors.every((tensor) => tensor.file === 'model.gguf')).toBe(true);
  });

  test('without one of its tensors is refused', () => {
    const { tensors } = ggufModel(name);
    for (const missing of tensors.filter((tensor) => tensor.name.startsWith('blk.1.'))) {
      // Tensors that say whether a model has such a part stand in the first layer.
      const rest = tensors.filter((tensor) => tensor !== missing);
      expect(() => open(name, {}, rest)).toThrow(`missing ${missing.name}`);
    }
  });

  test('names the key of a wrong value', () => {
    const { metadata } = ggufModel(name);
    const architecture = metadata['general.architecture'] as string;
    for (const key of ['embedding_length', 'attention.head_count', 'block_count', 'attention.layer_norm_rms_epsilon']) {
      const full = `${architecture}.${key}`;
      expect(() => open(name, { [full]: undefined })).toThrow(`model.gguf:${full}`);
      expect(() => open(name, { [full]: 'many' })).toThrow(`model.gguf:${full}`);
    }
  });
});

test('experts of a layer are cut out of the tensor that holds all', () => {
  const tensors = ggufModel('mixtral').tensors.map((tensor) =>
    tensor.name.includes('_exps') ? { ...tensor, dtype: 'BF16' as const } : tensor,
  );
  const { plan } = open('mixtral', {}, tensors);
  const stacked = read(ggufModel('mixtral').metadata, tensors).tensors.find(
    ({ name }) => name === 'blk.1.ffn_down_exps.weight',
  );
  const expert = plan.tensors.find(({ name }) => name === 'model.layers.1.mlp.experts.3.down_proj.weight');
  const bytes = 60 * 88 * 2;
  expect(expert).toMatchObject({ dtype: 'BF16', shape: [60, 88], bytes, offset: (stacked?.offset ?? 0) + 3 * bytes });
});

test('latents with their two projections apart', () => {
  const { tensors } = ggufModel('deepseek-v3');
  const split = tensors.flatMap((tensor): TensorEntry[] => {
    if (!tensor.name.endsWith('attn_kv_b.weight')) return [tensor];
    const prefix = tensor.name.replace('attn_kv_b.weight', '');
    return [
      { name: `${prefix}attn_k_b.weight`, shape: [3, 16, 12] },
      { name: `${prefix}attn_v_b.weight`, shape: [3, 10, 16] },
    ];
  });
  const { spec, plan } = open('deepseek-v3', {}, split);
  expect(spec.hasSplitKvB).toBe(true);
  expect(plan.tensors.find(({ name }) => name.endsWith('2.self_attn.v_b_proj.weight'))?.shape).toEqual([3, 10, 16]);
});

test('groups of experts are those that the file names', () => {
  expect(open('deepseek-v2').spec).toMatchObject({ numExpertGroups: 1, numTopkGroups: 1 });
  const groups = { 'deepseek2.expert_group_count': 4, 'deepseek2.expert_group_used_count': 2 };
  expect(open('deepseek-v2', groups).spec).toMatchObject({ groupScore: 'max', numExpertGroups: 4, numTopkGroups: 2 });
});

test('frequencies of llama3 come as a tensor, biases with theirs, tied embeddings without one', () => {
  const { tensors } = ggufModel('llama');
  const biases: TensorEntry[] = [0, 1, 2].flatMap((layer) => [
    { name: `blk.${layer}.attn_q.bias`, shape: [60] },
    { name: `blk.${layer}.attn_k.bias`, shape: [20] },
    { name: `blk.${layer}.attn_v.bias`, shape: [20] },
    { name: `blk.${layer}.attn_output.bias`, shape: [60] },
  ]);
  const { spec, plan } = open('llama', {}, [...tensors, ...biases, { name: 'rope_freqs.weight', shape: [5] }]);
  expect(spec).toMatchObject({ ropeScaling: { type: 'tensor' }, hasQkvBias: true, tieWordEmbeddings: true });
  expect(plan.tensors.some(({ name }) => name === 'rope_freqs.weight')).toBe(true);
  const untied = open('llama', {}, [...tensors, { name: 'output.weight', shape: [1003, 60] }]);
  expect(untied.spec.tieWordEmbeddings).toBe(false);
});

/** A tokenizer without what has one entry a token. */
const unlisted = { 'tokenizer.ggml.token_type': undefined, 'tokenizer.ggml.scores': undefined };

test.each<[family: string, change: Record<string, Value | undefined>, message: RegExp]>([
  ['llama', { 'general.architecture': 'gemma3' }, /general\.architecture: is gemma3, supported is one of .*llama/],
  ['llama', { 'llama.attention.value_length': 12 }, /llama\.attention\.value_length: is 12, must be 10/],
  ['llama', { 'llama.rope.dimension_count': 7 }, /llama\.rope\.dimension_count: is 7/],
  ['llama', { 'llama.rope.scaling.type': 'longrope' }, /llama\.rope\.scaling\.type: is "longrope"/],
  ['llama', { 'tokenizer.ggml.tokens': undefined }, /tokenizer\.ggml\.tokens: is missing/],
  ['llama', { 'tokenizer.ggml.tokens': 7 }, /tokenizer\.ggml\.tokens: must be an array of texts/],
  ['llama', { 'tokenizer.ggml.scores': [0.5] }, /tokenizer\.ggml\.scores: has 1 entries for 5 tokens/],
  ['llama', { 'tokenizer.ggml.token_type': [1, 1, 1, 1, 9] }, /tokenizer\.ggml\.token_type: is 9 for token 4/],
  ['llama', { 'tokenizer.ggml.merges': ['ab'] }, /tokenizer\.ggml\.merges: has "ab"/],
  ['llama', { 'tokenizer.ggml.bos_token_id': 5 }, /tokenizer\.ggml\.bos_token_id: is 5, there are 5 tokens/],
  ['llama', { 'tokenizer.ggml.eos_token_id': 4000 }, /tokenizer\.ggml\.eos_token_id: is 4000, there are/],
  [
    'llama',
    { ...unlisted, 'tokenizer.ggml.tokens': Array(1004).fill('x') },
    /tokenizer\.ggml\.tokens: has 1004 tokens/,
  ],
  ['mixtral', { 'llama.expert_used_count': 8 }, /llama\.expert_used_count: exceeds the 7 experts/],
  ['qwen3-moe', { 'qwen3moe.expert_gating_func': 2 }, /qwen3moe\.expert_gating_func: is 2/],
  ['deepseek-v3', { 'deepseek2.expert_gating_func': 3 }, /deepseek2\.expert_gating_func: is 3/],
  ['deepseek-v3', { 'deepseek2.attention.key_length_mla': 8 }, /deepseek2\.attention\.key_length/],
])('%s is refused: case %#', (name, change, message) => {
  expect(() => open(name, change)).toThrow(ModelError);
  expect(() => open(name, change)).toThrow(message);
});

test('the tokenizer and the chat template come along', () => {
  expect(open('qwen2').tokenizer).toEqual({
    model: 'gpt2',
    pre: 'smollm',
    tokens: ['<unk>', 'a', '<|im_end|>', 'b', 'ab'],
    types: ['unknown', 'normal', 'control', 'normal', 'normal'],
    scores: [0.5, -1.5, 0.5, 0.5, 0.5],
    merges: ['a b'],
    bosTokenId: null,
    eosTokenId: 2,
    unknownTokenId: null,
    paddingTokenId: null,
    addBosToken: null,
    addEosToken: null,
    addSpacePrefix: null,
    chatTemplate: '{{ messages }}',
  });
});
