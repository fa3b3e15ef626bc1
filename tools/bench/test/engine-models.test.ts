// The models of suite `engine`: both kinds of file describe the same model to our reader, and hold the same numbers.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readGgufHeader } from '@switchyard/model';
import { openModel } from '@switchyard/model-files';
import { loadNative } from '@switchyard/native';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { quantiseQ8, toHalf } from '../src/suites/engine/model/quantise-q8.js';
import { weightsOf, widen } from '../src/suites/engine/model/random-weights.js';
import {
  type BenchShape,
  bytesRead,
  float,
  type GgufTensor,
  ggufBytesOf,
  matrix,
  partsOf,
  type ShapeName,
  sizeOf,
} from '../src/suites/engine/model/shape.js';
import { shapeOf } from '../src/suites/engine/model/shapes.js';
import { safetensorsHeaderOf } from '../src/suites/engine/model/write-directory.js';
import { ggufHeaderOf, writeGguf } from '../src/suites/engine/model/write-gguf.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_251_129);
const SHAPES: ShapeName[] = ['qwen3moe', 'mla', 'dense'];
const TOKENIZER = fileURLToPath(new URL('../../../models/switchyard-tiny/tokenizer.json', import.meta.url));
/** What the scale of a block loses as fp16, and more. */
const SLACK = 1.001;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'switchyard-bench-models-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A file of that size that begins with the header and has nothing else. */
function writeSparse(path: string, header: Uint8Array, numBytes: number): void {
  writeFileSync(path, header);
  truncateSync(path, numBytes);
}

async function openBoth(shape: BenchShape) {
  const gguf = join(folder, 'model.gguf');
  const dir = join(folder, 'model');
  const ggufHeader = ggufHeaderOf(shape);
  const align = (numBytes: number) => Math.ceil(numBytes / 32) * 32;
  const ggufBytes = shape.tensors.reduce((end, tensor) => align(end) + ggufBytesOf(tensor), ggufHeader.byteLength);
  writeSparse(gguf, ggufHeader, ggufBytes);
  mkdirSync(dir);
  writeFileSync(join(dir, 'config.json'), JSON.stringify(shape.config));
  copyFileSync(TOKENIZER, join(dir, 'tokenizer.json'));
  const header = safetensorsHeaderOf(shape);
  const dataBytes = partsOf(shape).reduce((sum, part) => sum + sizeOf(part.shape) * 2, 0);
  writeSparse(join(dir, 'model.safetensors'), header, header.byteLength + dataBytes);
  return [await openModel(gguf), await openModel(dir)] as const;
}

test.each(SHAPES)('both files of %s describe one model, with all of its tensors and no other', async (name) => {
  const [fromGguf, fromDir] = await openBoth(shapeOf(name));
  // How the numbers are stored, which also bounds the slices, and a constant that GGUF files have as fp32.
  const ofTheFile = { quantization: null, hasSplitKvB: null, rmsNormEps: null, numSlices: null };
  expect({ ...fromGguf.spec, ...ofTheFile }).toEqual({ ...fromDir.spec, ...ofTheFile });
  expect(fromGguf.spec.rmsNormEps).toBeCloseTo(fromDir.spec.rmsNormEps, 12);
  expect([...fromGguf.warnings, ...fromDir.warnings]).toEqual([]);
  expect(fromGguf.tokenizer.vocabSize).toBe(fromGguf.spec.vocabSize);
});

test("the shapes have the sizes of the issue's table", () => {
  const megabytes = (name: ShapeName) => {
    return Math.round(shapeOf(name).tensors.reduce((sum, tensor) => sum + ggufBytesOf(tensor), 0) / 1e6);
  };
  expect(SHAPES.map(megabytes)).toEqual([362, 367, 369]);
  const perStep = [1, 8, 32].map((numSequences) => Math.round(bytesRead(shapeOf('qwen3moe'), numSequences) / 1e6));
  expect(perStep).toEqual([72, 243, 349]);
});

test('a GGUF file has the numbers of the parts, stacked, reordered, in fp32 and in 8 bits', () => {
  const stack = matrix('stack', 'a', [4, 32]);
  const second = { name: 'b', shape: [4, 32], fill: 'random' } as const;
  const tensors: GgufTensor[] = [
    float('norm', 'n', [5], 'ones'),
    { ...stack, shape: [2, 4, 32], parts: [...stack.parts, second] },
    { ...matrix('turned', 't', [32, 32]), indexOf: (i) => (i % 32) * 32 + Math.floor(i / 32) },
    float('router', 'r', [3, 7], 'random'),
  ];
  const path = join(folder, 'small.gguf');
  writeGguf(path, { ...shapeOf('dense'), tensors });
  const file = readFileSync(path);
  const source = {
    file: path,
    bytes: file.byteLength,
    read: (offset: number, length: number) => file.subarray(offset, offset + length),
  };
  const read = new Map(
    readGgufHeader(source).tensors.map((tensor) => {
      const bytes = file.subarray(tensor.offset, tensor.offset + tensor.bytes);
      return [tensor.name, loadNative().widen({ dtype: tensor.dtype, bytes: new Uint8Array(bytes) })] as const;
    }),
  );
  const partOf = (name: string, shape: number[]) => widen(weightsOf({ name, shape, fill: 'random' }));
  const square = partOf('t', [32, 32]);
  const turned = square.map((_, i) => square[(i % 32) * 32 + Math.floor(i / 32)] as number);
  expect(read.get('norm')).toEqual(new Float32Array(5).fill(1));
  expect(read.get('router')).toEqual(partOf('r', [3, 7]));
  expectQuantised(read.get('stack'), Float32Array.from([...partOf('a', [4, 32]), ...partOf('b', [4, 32])]));
  expectQuantised(read.get('turned'), turned);
});

/** Each number is within half a step of its block's scale. */
function expectQuantised(stored: Float32Array | undefined, values: Float32Array): void {
  expect(stored?.length).toBe(values.length);
  for (let first = 0; first < values.length; first += 32) {
    const block = values.subarray(first, first + 32);
    const step = Math.max(...block.map(Math.abs)) / 127;
    const errors = block.map((value, i) => Math.abs(value - (stored?.[first + i] as number)));
    expect(Math.max(...errors)).toBeLessThanOrEqual((step / 2) * SLACK + step * 127 * 2 ** -11);
  }
}

test('llama.cpp finds keys and values of a head in kv_b where DeepSeek has them', () => {
  const { tensors } = shapeOf('mla');
  const indexOf = (name: string) => tensors.find((tensor) => tensor.name === name)?.indexOf ?? (() => Number.NaN);
  const [nope, value, rank] = [128, 128, 512];
  const [head, row, column] = [3, 17, 400];
  const key = (head * rank + column) * nope + row; // [head][rank][nope]
  const val = (head * value + row) * rank + column; // [head][value][rank]
  expect(indexOf('blk.2.attn_k_b.weight')(key)).toBe((head * (nope + value) + row) * rank + column);
  expect(indexOf('blk.2.attn_v_b.weight')(val)).toBe((head * (nope + value) + nope + row) * rank + column);
});

test('fp16 scales: every fp16 number stays, what lies between two goes to the nearer one, or the even one', () => {
  const patterns = Uint16Array.from({ length: 0x7c00 }, (_, bits) => bits);
  const values = loadNative().widen({ dtype: 'F16', bytes: new Uint8Array(patterns.buffer) });
  expect(Array.from(values, toHalf)).toEqual(Array.from(patterns));
  for (let bits = 0; bits < 0x7bff; bits++) {
    const [low, high] = [values[bits] as number, values[bits + 1] as number];
    const halfway = toHalf((low + high) / 2);
    if (halfway !== bits + (bits % 2)) expect.fail(`between ${low} and ${high}: ${halfway}`);
  }
  expect(toHalf(1e6)).toBe(0x7c00);
});

test(`Q8_0 keeps zeros, and any numbers within half a step (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const dequantise = (values: Float32Array) => loadNative().widen({ dtype: 'Q8_0', bytes: quantiseQ8(values) });
  expect(dequantise(new Float32Array(64))).toEqual(new Float32Array(64));
  for (let i = 0; i < 50; i++) {
    const part = { name: `${SEED + i}`, shape: [1 + (i % 5), 32 * (1 + (i % 3))], fill: 'random' } as const;
    const values = widen(weightsOf(part));
    expectQuantised(dequantise(values), values);
  }
  expect(() => quantiseQ8(new Float32Array(33))).toThrow('33 numbers are no whole number of Q8_0 blocks');
});
