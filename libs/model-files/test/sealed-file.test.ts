// What was sealed comes back as it was, or, damaged, not at all.
import { SeededRandom } from '@switchyard/base';
import { expect, test } from 'vitest';
import { seal, unseal } from '../src/sealed-file.js';
import { damaged } from './damaged.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_261_129);
const VERSION = 3;

const json = { text: 'ä\u0000', numbers: [0.1, -1e300] };
const arrays = [new Uint8Array([1, 2, 3]), new Uint8Array(), new Uint8Array(Uint32Array.of(7, 8).buffer)];

test('comes back, with arrays on boundaries of 8 bytes', () => {
  const file = seal({ json, arrays }, VERSION);
  const found = unseal(file, VERSION);
  expect(found?.json).toEqual(json);
  expect(found?.arrays.map((array) => [...array])).toEqual(arrays.map((array) => [...array]));
  for (const array of found?.arrays ?? []) expect((array.byteOffset - file.byteOffset) % 8).toBe(0);
  expect(unseal(seal({ json: null, arrays: [] }, VERSION), VERSION)).toEqual({ json: null, arrays: [] });
});

test('of another version is none', () => {
  expect(unseal(seal({ json, arrays }, VERSION), VERSION + 1)).toBeNull();
});

test(`damaged is none (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const file = seal({ json, arrays }, VERSION);
  for (let caseIdx = 0; caseIdx < 5000; caseIdx++) {
    expect({ caseIdx, found: unseal(damaged(file, random), VERSION) }).toEqual({ caseIdx, found: null });
  }
});
