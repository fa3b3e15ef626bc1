// What parseModelConfig takes over, and what it refuses by name.
import { describe, expect, test } from 'vitest';
import { ModelError, parseGenerationDefaults, parseModelConfig } from '../src/index.js';
import { tinyConfig, tinyGeneration } from './tiny.js';

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

describe('parseModelConfig', () => {
  test('reads the shipped model', () => {
    const spec = parseModelConfig(tinyConfig(), tinyGeneration());
    expect(spec).toMatchObject({
      family: 'deepseek-v3',
      vocabSize: 2048,
      numLayers: 5,
      numDenseLayers: 1,
      numExperts: 32,
      numMtpLayers: 1,
      numSlices: 4,
      ropeTheta: 10000,
      eosTokenIds: [2, 0],
    });
  });

  test('takes end-of-sequence ids from config.json where generation_config.json has none', () => {
    expect(parseModelConfig(tinyConfig(), {}).eosTokenIds).toEqual([2]);
    expect(parseModelConfig(tinyConfig()).eosTokenIds).toEqual([2]);
  });

  test('reads the newer form of rotary settings', () => {
    const config = {
      ...tinyConfig(),
      rope_theta: undefined,
      rope_parameters: { rope_type: 'default', rope_theta: 5e5 },
    };
    expect(parseModelConfig(config).ropeTheta).toBe(5e5);
  });

  test.each([
    [{ num_attention_heads: 128, num_key_value_heads: 128, intermediate_size: 18432, moe_intermediate_size: 2048 }, 8],
    [{ num_attention_heads: 6, num_key_value_heads: 6 }, 2],
    [{ moe_intermediate_size: 33 }, 1],
  ])('cuts row-parallel products of %o into %i slices', (change, numSlices) => {
    expect(parseModelConfig({ ...tinyConfig(), ...change }).numSlices).toBe(numSlices);
  });

  test.each<[string, unknown]>([
    ['architectures', ['LlamaForCausalLM']],
    ['architectures', ['GPT2LMHeadModel']],
    ['vocab_size', 0],
    ['vocab_size', 2 ** 40],
    ['hidden_size', '192'],
    ['hidden_size', undefined],
    ['num_hidden_layers', 1.5],
    ['num_key_value_heads', 2],
    ['q_lora_rank', 0],
    ['qk_rope_head_dim', 15],
    ['first_k_dense_replace', 6],
    ['n_group', 5],
    ['n_group', 32],
    ['topk_group', 5],
    ['num_experts_per_tok', 17],
    ['n_shared_experts', -1],
    ['num_nextn_predict_layers', 2],
    ['rms_norm_eps', Number.NaN],
    ['rope_theta', undefined],
    ['rope_scaling', { type: 'yarn', factor: 0.5 }],
    ['rope_parameters', { rope_type: 'yarn' }],
    ['rope_interleave', 'no'],
    ['sliding_window', 4096],
    ['quantization_config', { quant_method: 'fp8' }],
    ['hidden_act', 'gelu'],
    ['scoring_func', 'softmax'],
    ['topk_method', 'greedy'],
    ['moe_layer_freq', [0, 1]],
    ['mlp_bias', true],
    ['torch_dtype', 'float8_e4m3fn'],
    ['dtype', 'int8'],
    ['eos_token_id', -2],
    ['eos_token_id', []],
  ])('refuses %s = %o', (field, value) => {
    expect(refusedField(() => parseModelConfig({ ...tinyConfig(), [field]: value }))).toMatch(`config.json:${field}`);
  });

  test.each([null, [], 'text', 7])('refuses %o for a configuration', (json) => {
    expect(refusedField(() => parseModelConfig(json))).toBe('config.json');
  });

  test('names the file of a wrong end-of-sequence id', () => {
    const parse = () => parseModelConfig(tinyConfig(), { eos_token_id: [2, -1] });
    expect(refusedField(parse)).toMatch('generation_config.json:eos_token_id');
  });

  test('leaves out end-of-sequence ids beyond the vocabulary, as small models keep them of large ones', () => {
    const config = { ...tinyConfig(), eos_token_id: 200020 };
    expect(parseModelConfig(config).eosTokenIds).toEqual([]);
    expect(parseModelConfig(config, { eos_token_id: [2, 9999] }).eosTokenIds).toEqual([2]);
  });
});

describe('parseGenerationDefaults', () => {
  test('reads the shipped model', () => {
    expect(parseGenerationDefaults(tinyGeneration())).toEqual({
      sampling: { temperature: 0.7, topP: 0.9, topK: 0, minP: 0 },
      ignored: [],
    });
  });

  test('is neutral without a file and greedy with do_sample false', () => {
    const neutral = { temperature: 1, topP: 1, topK: 0, minP: 0 };
    expect(parseGenerationDefaults(undefined).sampling).toEqual(neutral);
    expect(parseGenerationDefaults({ do_sample: false, temperature: 0.7 }).sampling).toEqual({
      ...neutral,
      temperature: 0,
    });
  });

  test('names what it cannot apply', () => {
    expect(parseGenerationDefaults({ repetition_penalty: 1.1, num_beams: 1 }).ignored).toEqual(['repetition_penalty']);
  });

  test('refuses values out of range', () => {
    expect(refusedField(() => parseGenerationDefaults({ top_p: 0 }))).toBe('generation_config.json:top_p');
  });
});
