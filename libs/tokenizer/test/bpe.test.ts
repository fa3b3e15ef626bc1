// BPE against the naive rule, on random vocabularies and texts.
import { SeededRandom } from '@switchyard/base';
import { expect, test } from 'vitest';
import { Bpe } from '../src/bpe.js';
import { readBpe } from '../src/bpe-tables.js';
import type { Vocabulary } from '../src/vocabulary.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_261_129);
const LETTERS = ['a', 'b', '天'];

/** A vocabulary in which every token of several letters is made of two others, and the merges that make them. */
function randomModel(random: SeededRandom): { vocabulary: Vocabulary; merges: [string, string][] } {
  const tokens = [...LETTERS];
  const merges: [string, string][] = [];
  for (let k = random.below(30); k > 0; k--) {
    const pair: [string, string] = [random.pick(tokens), random.pick(tokens)];
    const isNew = !merges.some(([left, right]) => left === pair[0] && right === pair[1]);
    if (!isNew || pair.join('').length > 8) continue;
    merges.push(pair);
    if (!tokens.includes(pair.join(''))) tokens.push(pair.join(''));
  }
  return { vocabulary: { tokens, ids: new Map(tokens.map((token, id) => [token, id])) }, merges };
}

function makeBpe(model: Record<string, unknown>, vocabulary: Vocabulary): Bpe {
  return new Bpe(readBpe(model, { vocabulary, isByteLevel: false }));
}

function randomText(random: SeededRandom): string {
  return Array.from({ length: random.below(40) }, () => random.pick(LETTERS)).join('');
}

/** Again and again the best of all neighbours is merged, the leftmost of equals. */
function naive(text: string, rankOf: (left: string, right: string) => number): string[] {
  const parts = [...text];
  for (;;) {
    const ranks = parts.slice(1).map((right, i) => rankOf(parts[i] as string, right));
    const best = Math.min(...ranks);
    if (best === Number.POSITIVE_INFINITY) return parts;
    const at = ranks.indexOf(best);
    parts.splice(at, 2, `${parts[at]}${parts[at + 1]}`);
  }
}

test(`merges go by their order (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let caseIdx = 0; caseIdx < 200; caseIdx++) {
    const { vocabulary, merges } = randomModel(random);
    const model = makeBpe({ merges }, vocabulary);
    const ranks = new Map(merges.map((pair, rank) => [pair.join(' '), rank]));
    const text = randomText(random);
    const expected = naive(text, (left, right) => ranks.get(`${left} ${right}`) ?? Number.POSITIVE_INFINITY);
    expect({ caseIdx, tokens: model.encode(text).map((id) => vocabulary.tokens[id]) }).toEqual({
      caseIdx,
      tokens: expected,
    });
  }
});

test(`scores go by what is made, the leftmost of equals first (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  for (let caseIdx = 0; caseIdx < 200; caseIdx++) {
    const { vocabulary } = randomModel(random);
    const scores = vocabulary.tokens.map(() => -random.below(5));
    const model = makeBpe({ scores }, vocabulary);
    const rankOf = (left: string, right: string) => {
      const id = vocabulary.ids.get(left + right);
      return id === undefined ? Number.POSITIVE_INFINITY : -(scores[id] as number);
    };
    const text = randomText(random);
    expect({ caseIdx, tokens: model.encode(text).map((id) => vocabulary.tokens[id]) }).toEqual({
      caseIdx,
      tokens: naive(text, rankOf),
    });
  }
});

test('a piece of a megabyte takes no quadratic time', () => {
  const vocabulary: Vocabulary = {
    tokens: ['a', 'aa', 'aaaa'],
    ids: new Map([
      ['a', 0],
      ['aa', 1],
      ['aaaa', 2],
    ]),
  };
  const merges = [
    ['a', 'a'],
    ['aa', 'aa'],
  ];
  const start = performance.now();
  expect(makeBpe({ merges }, vocabulary).encode('a'.repeat(1 << 20))).toHaveLength(1 << 18);
  // Quadratic work would take hours.
  expect(performance.now() - start).toBeLessThan(20_000);
});

test('what has no token is unknown once or each time, or lost', () => {
  const vocabulary: Vocabulary = {
    tokens: ['?', 'a'],
    ids: new Map([
      ['?', 0],
      ['a', 1],
    ]),
  };
  const encode = (fields: Record<string, unknown>) => makeBpe({ merges: [], ...fields }, vocabulary).encode('xya天z');
  expect(encode({ unk_token: '?', fuse_unk: true })).toEqual([0, 1, 0]);
  expect(encode({ unk_token: '?' })).toEqual([0, 0, 1, 0, 0]);
  expect(encode({})).toEqual([1]);
});
