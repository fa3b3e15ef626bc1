// Block by block against the gguf Python package: every type of GGUF files that the loader widens, bit for bit; and fp8.
import { readFileSync } from 'node:fs';
import { parseSafetensorsHeader, type TensorDtype } from '@switchyard/model';
import { describe, expect, test } from 'vitest';
import { loadNative } from '../src/index.js';

const folder = new URL('../../../test/fixtures/models/gguf-blocks/', import.meta.url).pathname;
const { types } = JSON.parse(readFileSync(`${folder}blocks.json`, 'utf8')) as {
  types: Record<string, { blocks: string[] }>;
};
const values = readFileSync(`${folder}values.safetensors`);
const tensors = parseSafetensorsHeader(values, values.byteLength, 'values.safetensors');

function goldenBits(name: string): Uint32Array {
  const tensor = tensors.find((one) => one.name === name);
  if (!tensor) throw new Error(`values.safetensors has no ${name}`);
  return new Uint32Array(Uint8Array.from(values.subarray(tensor.offset, tensor.offset + tensor.bytes)).buffer);
}

const bitsOf = (dtype: string, bytes: Uint8Array) =>
  new Uint32Array(loadNative().widen({ dtype: dtype as TensorDtype, bytes }).buffer);

test.each(Object.entries(types))('blocks of %s have the values of the gguf package', (name, { blocks }) => {
  const bytes = Buffer.from(blocks.join(''), 'hex');
  expect(bitsOf(name, bytes)).toEqual(goldenBits(name));
});

describe('F8_E4M3', () => {
  const widen = (...bytes: number[]) => [...loadNative().widen({ dtype: 'F8_E4M3', bytes: Uint8Array.from(bytes) })];

  test('has subnormals, normals up to 448, and NaN for all ones', () => {
    expect(widen(0x00, 0x01, 0x07, 0x08, 0x38, 0x7e)).toEqual([0, 2 ** -9, 7 * 2 ** -9, 2 ** -6, 1, 448]);
    expect(widen(0x80, 0xb8, 0xfe)).toEqual([-0, -1, -448]);
    expect(widen(0x7f, 0xff)).toEqual([Number.NaN, Number.NaN]);
  });

  test('has the value of each pattern', () => {
    const numberOf = (byte: number) => {
      const [exponent, mantissa] = [(byte >> 3) & 15, byte & 7];
      const magnitude = exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
      return byte & 0x80 ? -magnitude : magnitude;
    };
    const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => (byte & 0x7f) !== 0x7f);
    expect(widen(...bytes)).toEqual(bytes.map(numberOf));
  });
});

test('I8 is whole numbers', () => {
  const values = Int8Array.from({ length: 256 }, (_, i) => i - 128);
  const bytes = new Uint8Array(values.buffer);
  expect([...loadNative().widen({ dtype: 'I8', bytes })]).toEqual([...values]);
});

test('a piece of a block and an unknown type are refused', () => {
  expect(() => bitsOf('Q4_0', new Uint8Array(17))).toThrow('whole blocks of 18 bytes');
  expect(() => bitsOf('Q2_K', new Uint8Array(84))).toThrow('dtype');
});
