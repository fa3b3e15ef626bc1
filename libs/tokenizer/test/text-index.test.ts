// The index against a Map, on random vocabularies.
import { SeededRandom } from '@switchyard/base';
import { expect, test } from 'vitest';
import { longestOf } from '../src/tables.js';
import { TextIndex } from '../src/text-index.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_261_129);
const CHARACTERS = ['a', 'b', ' ', 'é', '天', '🦊'];

function randomText(random: SeededRandom): string {
  return Array.from({ length: random.below(5) }, () => random.pick(CHARACTERS)).join('');
}

function indexOf(entries: readonly (readonly [string, number])[]): TextIndex {
  const texts = entries.map(([text]) => Buffer.from(text));
  let end = 0;
  const ends = texts.map(({ length }) => (end += length));
  const ids = entries.map(([, id]) => id);
  const strings = { bytes: Buffer.concat(texts), ends: Uint32Array.from(ends) };
  return new TextIndex(TextIndex.index(strings, Uint32Array.from(ids)), longestOf(strings));
}

test(`finds what a Map finds, the last of equal texts (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let caseIdx = 0; caseIdx < 200; caseIdx++) {
    const entries = Array.from({ length: random.below(60) }, () => [randomText(random), random.below(1000)] as const);
    const index = indexOf(entries);
    const ids = new Map(entries);
    const texts = [...ids.keys(), ...Array.from({ length: 50 }, () => randomText(random)), 'a'.repeat(1000)];
    for (const text of texts)
      expect({ caseIdx, text, id: index.get(text) }).toEqual({ caseIdx, text, id: ids.get(text) });
  }
});
