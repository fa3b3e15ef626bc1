// Opening the shipped model, and damaged copies of it: a directory is opened whole or refused by name.
import { cp, mkdtemp, open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModelError } from '@switchyard/model';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openModel } from '../src/index.js';

const TINY = fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url));
const WEIGHTS = 'model.safetensors';

describe('the shipped model', () => {
  test('opens with all that services need', async () => {
    const model = await openModel(TINY);
    expect(model).toMatchObject({
      name: 'switchyard-tiny',
      dir: TINY,
      contextTokens: 1024,
      samplingDefaults: { temperature: 0.7, topP: 0.9, topK: 0, minP: 0 },
      warnings: [],
    });
    expect(model.weights.digest).toMatch(/^[0-9a-f]{64}$/);
    expect(model.weights.tensors[0]?.file).toBe(join(TINY, WEIGHTS));
    expect(model.tokenizer.encode('<|im_end|>')).toEqual(model.spec.eosTokenIds.slice(0, 1));
    expect(model.tokenizer).toBe(model.tokenizer);
  });

  test('takes the name it is given', async () => {
    expect((await openModel(TINY, { name: 'tiny' })).name).toBe('tiny');
  });

  test('is served in the kernel class it is asked for in', async () => {
    expect((await openModel(TINY)).kernelClass).toBe('fma16');
    expect((await openModel(TINY, { kernelClass: 'mla-split' })).kernelClass).toBe('mla-split');
  });

  test('has tensors where the plan says', async () => {
    const { weights } = await openModel(TINY);
    const bias = weights.tensors.find((tensor) => tensor.name === 'model.layers.1.mlp.gate.e_score_correction_bias');
    const file = await readFile(bias?.file as string);
    const values = new Float32Array(
      file.buffer.slice(file.byteOffset + (bias?.offset as number)).slice(0, bias?.bytes),
    );
    expect(values).toHaveLength(32);
    expect(values.every((value) => Math.abs(value) < 10)).toBe(true);
  });
});

describe('a copy', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'switchyard-model-'));
    await cp(TINY, dir, { recursive: true });
  });
  afterEach(() => rm(dir, { recursive: true }));

  const path = (file: string) => join(dir, file);

  async function changeJson(file: string, change: Record<string, unknown>): Promise<void> {
    const json = JSON.parse(await readFile(path(file), 'utf8'));
    await writeFile(path(file), JSON.stringify({ ...json, ...change }));
  }

  /** The field of the ModelError that opening throws. */
  async function refusal(): Promise<string> {
    const error = await openModel(dir).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ModelError);
    return (error as ModelError).message;
  }

  test('has the digest of the original', async () => {
    expect((await openModel(dir)).weights.digest).toBe((await openModel(TINY)).weights.digest);
  });

  test.each<[string, Record<string, unknown>]>([
    ['config.json', { rms_norm_eps: 1e-5 }],
    ['tokenizer.json', { version: '1.1' }],
  ])('with another %s has another digest', async (file, change) => {
    await changeJson(file, change);
    expect((await openModel(dir)).weights.digest).not.toBe((await openModel(TINY)).weights.digest);
  });

  test.each(['config.json', 'tokenizer.json', WEIGHTS])('without %s is refused', async (file) => {
    await rm(path(file));
    expect(await refusal()).toBe(`${file}: is missing in ${dir}`);
  });

  test('without the optional files opens with neutral defaults', async () => {
    for (const file of ['generation_config.json', 'tokenizer_config.json', 'training.json']) await rm(path(file));
    const model = await openModel(dir);
    expect(model.samplingDefaults.temperature).toBe(1);
    expect(model.spec.eosTokenIds).toEqual([2]);
    expect(() => model.tokenizer.renderChat([{ role: 'user', content: 'Hi' }])).toThrow(/no chat template/);
  });

  test.each([
    [0, /^model\.safetensors: is truncated: 0 bytes/],
    [7, /^model\.safetensors: is truncated: 7 bytes/],
    [5000, /^model\.safetensors: is truncated: its header ends at byte/],
    [17_012_031, /^model\.safetensors: is truncated: its tensors end at byte 17012032, the file at byte 17012031/],
  ])('with weights cut at byte %i is refused', async (size, message) => {
    await truncate(path(WEIGHTS), size);
    expect(await refusal()).toMatch(message);
  });

  test('with a header that contradicts the configuration is refused', async () => {
    await changeJson('config.json', { num_hidden_layers: 6 });
    expect(await refusal()).toMatch(/^model\.layers\.5|^tensors: missing/);
  });

  test('with damaged header bytes is refused', async () => {
    const file = await open(path(WEIGHTS), 'r+');
    await file.write(Buffer.from([0xff, 0xff]), 0, 2, 40);
    await file.close();
    expect(await refusal()).toMatch(/^model\.safetensors: has a header that is not JSON/);
  });

  test('with a config.json that is not JSON is refused', async () => {
    await writeFile(path('config.json'), '{"vocab_size": ');
    expect(await refusal()).toMatch(/^config\.json: is not JSON/);
  });

  test('with a directory for a file is refused', async () => {
    await rm(path('tokenizer.json'));
    await cp(TINY, path('tokenizer.json'), { recursive: true });
    expect(await refusal()).toMatch(/^tokenizer\.json: cannot be read/);
  });

  test('with more tokens than the embedding has rows is refused when the tokenizer is made', async () => {
    const tokenizer = JSON.parse(await readFile(path('tokenizer.json'), 'utf8'));
    const added_tokens = [...tokenizer.added_tokens, { id: 2048, content: '<new>', special: true }];
    await changeJson('tokenizer.json', { added_tokens });
    const model = await openModel(dir);
    expect(() => model.tokenizer).toThrow(/^tokenizer\.json: has ids up to 2048, the model's vocab_size is 2048$/);
  });

  test('with chat_template.jinja uses it', async () => {
    await writeFile(path('chat_template.jinja'), 'Q: {{ messages[0].content }}');
    const { tokenizer } = await openModel(dir);
    expect(tokenizer.renderChat([{ role: 'user', content: 'Hi' }])).toBe('Q: Hi');
  });

  test('names what it does not use', async () => {
    await changeJson('config.json', { num_nextn_predict_layers: 0 });
    await changeJson('generation_config.json', { repetition_penalty: 1.1 });
    expect((await openModel(dir)).warnings).toEqual([
      'generation_config.json:repetition_penalty is not supported and not applied',
      expect.stringMatching(/^\d+ tensors are not used: model\.layers\.5\./),
    ]);
  });

  test('of a checkpoint for INT8 activations by token chooses policy w8a8, and of others says that they are not rounded', async () => {
    const fixture = fileURLToPath(new URL('../../../test/fixtures/models/llama/w8a8', import.meta.url));
    for (const file of ['config.json', WEIGHTS]) await cp(join(fixture, file), path(file));
    await rm(path('generation_config.json'));
    expect(await openModel(dir)).toMatchObject({ policy: 'w8a8', warnings: [] });
    const config = await readFile(path('config.json'), 'utf8');
    await writeFile(path('config.json'), config.replace('"strategy": "token"', '"strategy": "tensor"'));
    const model = await openModel(dir);
    expect(model.policy).toBe('fp32');
    expect(model.warnings).toEqual([
      'activations are not rounded to int8 as the configuration says: weights are widened to fp32 (class dequant)',
    ]);
  });

  describe('with an index', () => {
    const FIRST = 'model-00001-of-00001.safetensors';
    beforeEach(async () => {
      const names = (await openModel(dir)).weights.tensors.map((tensor) => tensor.name);
      const weight_map = Object.fromEntries(names.map((name) => [name, FIRST]));
      await writeFile(path('model.safetensors.index.json'), JSON.stringify({ weight_map }));
      await rename(path(WEIGHTS), path(FIRST));
    });

    test('opens the files that it names', async () => {
      expect((await openModel(dir)).weights.tensors.every((tensor) => tensor.file === path(FIRST))).toBe(true);
    });

    test('is refused when a file is missing', async () => {
      await rm(path(FIRST));
      expect(await refusal()).toBe(`${FIRST}: is missing in ${dir}`);
    });

    test('is refused when it leaves the directory', async () => {
      await writeFile(path('model.safetensors.index.json'), '{"weight_map": {"a": "../a.safetensors"}}');
      expect(await refusal()).toMatch(/weight_map\.a: must be the name of a \.safetensors file/);
    });
  });
});
