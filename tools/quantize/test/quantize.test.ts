// Whole runs in process: what is written, how far weights are from the source's, what is refused, and what an interruption leaves.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openModel } from '@switchyard/model-files';
import { loadNative } from '@switchyard/native';
import { describe, expect, test } from 'vitest';
import { writeCheckpoint } from '../src/checkpoint/write-checkpoint.js';
import { PIECE_ELEMENTS } from '../src/checkpoint/write-shard.js';
import { quantize } from '../src/quantize.js';
import { openSource } from '../src/source.js';
import { copyFixture, METHOD, optionsFor, quiet, readTensors, TINY, withFolder } from './models.js';

const plainRun = {
  method: METHOD,
  signal: new AbortController().signal,
  maxShardBytes: 2 ** 30,
  onBytes: () => undefined,
  onShard: () => undefined,
};

const widen = (dtype: 'BF16' | 'F32' | 'I8', bytes: Uint8Array) => loadNative().widen({ dtype, bytes });

test('every weight of the shipped model is within half a scale of its source', async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out');
    await quantize(TINY, optionsFor(out), '', quiet());
    const [source, result] = [readTensors(TINY), readTensors(out)];
    let numMatrices = 0;
    for (const [name, { data, dtype, shape }] of result) {
      if (dtype !== 'I8') continue;
      numMatrices++;
      const [rows = 0, columns = 0] = shape;
      const before = widen('BF16', source.get(name)?.data as Buffer);
      const after = widen('I8', data);
      const scales = widen('BF16', result.get(`${name}_scale`)?.data as Buffer);
      for (let i = 0; i < rows * columns; i++) {
        const scale = scales[Math.floor(i / columns)] as number;
        // The quotient is fp32: at 127 its rounding can add 2^-18 to the half.
        const distance = Math.abs((before[i] as number) - (after[i] as number) * scale);
        if (distance > scale * (0.5 + 2 ** -17))
          throw new Error(`${name}: ${distance} from element ${i}, scale ${scale}`);
      }
    }
    // Attention 4 in 6 layers, 3 of the dense FFN, 3 of 32 experts and the shared one in 5 layers.
    expect(numMatrices).toBe(6 * 4 + 3 + 5 * 33 * 3);
    for (const [name, { data, dtype }] of source) {
      if (result.get(name)?.dtype === dtype) expect(result.get(name)?.data.equals(data)).toBe(true);
    }
  });
});

test('a checkpoint in several files, with an index, is the same model', async () => {
  await withFolder(async (folder) => {
    const [whole, cut] = [join(folder, 'whole'), join(folder, 'cut')];
    await quantize(TINY, optionsFor(whole), '', quiet());
    const surroundings = quiet();
    await quantize(TINY, optionsFor(cut, { maxShardBytes: 3 << 20 }), '', surroundings);
    expect(surroundings.written().match(/^model-0000\d-of-00004\.safetensors: .*in INT8/gm)).toHaveLength(4);
    expect((await openModel(cut)).policy).toBe('w8a8');
    const [a, b] = [readTensors(whole), readTensors(cut)];
    expect([...b.keys()].sort()).toEqual([...a.keys()].sort());
    for (const [name, { data }] of a) expect(b.get(name)?.data.equals(data)).toBe(true);
  });
});

test.each(['switchyard-tiny', 'deepseek-v3/fp8'])('%s has the same bytes in pieces of any size', async (name) => {
  await withFolder(async (folder) => {
    const dir = name === 'switchyard-tiny' ? TINY : copyFixture(name, folder);
    const whole = join(folder, 'whole');
    await quantize(dir, optionsFor(whole), '', quiet());
    const source = await openSource(dir);
    for (const pieceElements of [300, 2000]) {
      const out = join(folder, `out-${pieceElements}`);
      await writeCheckpoint(source, out, { ...plainRun, pieceElements });
      expect(readFileSync(join(out, 'model.safetensors')).equals(readFileSync(join(whole, 'model.safetensors')))).toBe(
        true,
      );
    }
  });
});

test('configuration and companions: what compressed-tensors writes, and what makes the model usable', async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out');
    await quantize(TINY, optionsFor(out), '', quiet());
    const read = (dir: string, file: string) => JSON.parse(readFileSync(join(dir, file), 'utf8'));
    const { quantization_config: quantization, ...rest } = read(out, 'config.json');
    expect(rest).toEqual(read(TINY, 'config.json'));
    expect(quantization).toMatchObject({
      quant_method: 'compressed-tensors',
      format: 'int-quantized',
      config_groups: {
        group_0: {
          targets: ['Linear'],
          weights: { num_bits: 8, type: 'int', symmetric: true, strategy: 'channel', dynamic: false },
          input_activations: { num_bits: 8, type: 'int', symmetric: true, strategy: 'token', dynamic: true },
        },
      },
    });
    expect(quantization.ignore).toEqual(
      expect.arrayContaining([
        'lm_head',
        'model.layers.1.mlp.gate',
        'model.layers.0.self_attn.kv_b_proj',
        'model.layers.5.eh_proj',
      ]),
    );
    for (const file of ['tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) {
      expect(readFileSync(join(out, file))).toEqual(readFileSync(join(TINY, file)));
    }
  });
});

test('DeepSeek fp8 with scales by block is widened on the way', async () => {
  await withFolder(async (folder) => {
    const dir = copyFixture('deepseek-v3/fp8', folder);
    const out = join(folder, 'out');
    await quantize(dir, optionsFor(out), '', quiet());
    const tensors = readTensors(out);
    expect([...tensors.values()].filter(({ dtype }) => dtype === 'F8_E4M3')).toEqual([]);
    expect([...tensors.keys()].filter((name) => name.endsWith('_scale_inv'))).toEqual([]);
    expect(tensors.get('model.layers.0.self_attn.kv_b_proj.weight')?.dtype).toBe('BF16');
    expect(tensors.get('model.layers.0.self_attn.o_proj.weight')?.dtype).toBe('I8');
    expect((await openModel(out)).policy).toBe('w8a8');
  });
});

describe('refused, with nothing written:', () => {
  const refusal = async (dir: string, folder: string, changed = {}) => {
    const out = join(folder, 'out');
    await expect(quantize(dir, optionsFor(out, changed), '', quiet())).rejects.toThrow();
    expect(readdirSync(folder).filter((name) => name.includes('out'))).toEqual([]);
    return quantize(dir, optionsFor(out, changed), '', quiet()).then(String, (error: Error) => error.message);
  };

  test('a method that there is not, with the names of those that there are', async () => {
    await withFolder(async (folder) => {
      expect(await refusal(TINY, folder, { method: 'gptq' })).toBe("unknown method 'gptq'; known: rtn");
    });
  });

  test('a GGUF file', async () => {
    await withFolder(async (folder) => {
      expect(await refusal(join(folder, 'a.gguf'), folder)).toContain(
        'a.gguf is a GGUF file; quantize takes the Hugging Face directory',
      );
    });
  });

  test('what is quantised already, by the name of how', async () => {
    await withFolder(async (folder) => {
      const dir = copyFixture('llama/w8a8', folder);
      expect(await refusal(dir, folder)).toContain('is quantised already: its quantization_config says INT8 weights');
      const config = JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'));
      writeFileSync(
        join(dir, 'config.json'),
        JSON.stringify({ ...config, quantization_config: { quant_method: 'gptq' } }),
      );
      expect(await refusal(dir, folder)).toContain('quantization_config.quant_method: is "gptq"');
    });
  });

  test('weights that are no numbers, by their tensor', async () => {
    await withFolder(async (folder) => {
      const dir = copyFixture('llama', folder);
      const file = join(dir, 'model.safetensors');
      const bytes = readFileSync(file);
      const tensor = readTensors(dir).get('model.layers.1.mlp.up_proj.weight');
      if (!tensor) throw new Error('no such tensor');
      bytes.fill(0xff, tensor.offset + 2, tensor.offset + 4);
      writeFileSync(file, bytes);
      expect(await refusal(dir, folder)).toBe('model.layers.1.mlp.up_proj.weight has a NaN or an infinity in row 0');
    });
  });
});

test('a place that is taken is left alone', async () => {
  await withFolder(async (folder) => {
    const out = join(folder, 'out');
    mkdirSync(out);
    await expect(quantize(TINY, optionsFor(out), '', quiet())).rejects.toThrow(
      'exists; give --out a name that is free',
    );
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readdirSync(out)).toEqual([]);
  });
});

test.each([0, 0.5, 1])('interrupted after %d of the bytes: nothing is left', async (share) => {
  await withFolder(async (folder) => {
    const source = await openSource(TINY);
    const total = source.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
    const interruption = new AbortController();
    let done = 0;
    const run = writeCheckpoint(source, join(folder, 'out'), {
      method: METHOD,
      pieceElements: PIECE_ELEMENTS,
      signal: interruption.signal,
      maxShardBytes: 4 << 20,
      onBytes: (bytes) => {
        done += bytes;
        expect(readdirSync(folder)).toHaveLength(1);
        if (done >= share * total) interruption.abort(new Error('stop'));
      },
      onShard: () => undefined,
    });
    await expect(run).rejects.toThrow('stop');
    expect(readdirSync(folder)).toEqual([]);
  });
});
