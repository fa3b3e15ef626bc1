// The output stage: what is held back, what ends an answer, and that the pieces always make the whole.
import { SeededRandom } from '@switchyard/base';
import { describe, expect, test } from 'vitest';
import { type OutputDelta, OutputState, type TokenText } from '../src/index.js';
import { goldenRows, multilingual, tiny } from './tiny.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_250_117);
const STOP_ID = 2;

interface Setup {
  stopStrings?: string[];
  maxTokens?: number;
  contextLeft?: number;
  tokenizer?: TokenText;
}

function makeState(setup: Setup = {}): OutputState {
  return new OutputState({
    tokenizer: setup.tokenizer ?? tiny,
    stopTokenIds: [STOP_ID, 0],
    stopStrings: setup.stopStrings ?? [],
    maxTokens: setup.maxTokens ?? 1000,
    contextLeft: setup.contextLeft ?? 1000,
  });
}

/** A tokenizer whose tokens are given byte strings: token id i is pieces[i]. */
function pieceTokenizer(pieces: readonly (string | number[])[]): TokenText {
  const utf8 = new TextEncoder();
  const tokens = pieces.map((piece) => (typeof piece === 'string' ? utf8.encode(piece) : new Uint8Array(piece)));
  return { tokenBytes: (id) => tokens[id] as Uint8Array, isSpecial: () => false };
}

/** Texts of the deltas for pieces pushed one by one; ids start above the stop tokens. */
function textsOf(pieces: readonly (string | number[])[], setup: Setup): { texts: string[]; last: OutputDelta } {
  const state = makeState({ ...setup, tokenizer: pieceTokenizer(['', '', '', ...pieces]) });
  const deltas = pieces.map((_, i) => state.push(3 + i));
  return { texts: deltas.map((delta) => delta.text), last: deltas.at(-1) as OutputDelta };
}

describe('what is held back', () => {
  test('half a character', () => {
    expect(textsOf([[0xf0, 0x9f], [0xa6], [0x8a, 0x41]], {}).texts).toEqual(['', '', '🦊A']);
  });

  test('the beginning of a stop string, until it is clear that it is none', () => {
    expect(textsOf(['a', 'E', 'N', 'x', 'E'], { stopStrings: ['END'] }).texts).toEqual(['a', '', '', 'ENx', '']);
  });

  test('only the longest beginning, also of a string that repeats itself', () => {
    expect(textsOf(['aa', 'a', 'a', 'b'], { stopStrings: ['aab'] }).texts).toEqual(['', 'a', 'a', '']);
  });

  test('is set free at the end by length', () => {
    const { texts, last } = textsOf(['a', 'EN'], { stopStrings: ['END'], maxTokens: 2 });
    expect(texts).toEqual(['a', 'EN']);
    expect(last.finishReason).toBe('length');
  });

  test('is set free at a stop token', () => {
    const state = makeState({ stopStrings: ['END'], tokenizer: pieceTokenizer(['', '', '<end>', 'xE', [0xf0, 0x9f]]) });
    expect([state.push(3).text, state.push(4).text]).toEqual(['x', '']);
    expect(state.push(STOP_ID)).toMatchObject({ text: 'E\uFFFD', tokenIds: [STOP_ID], finishReason: 'stop' });
  });

  test('half a character at the end by length becomes U+FFFD', () => {
    expect(textsOf(['a', [0xf0, 0x9f]], { maxTokens: 2 }).texts).toEqual(['a', '\uFFFD']);
  });

  test('that U+FFFD may itself be a stop string', () => {
    const { texts, last } = textsOf(['a', [0xf0, 0x9f]], { maxTokens: 2, stopStrings: ['\uFFFD'] });
    expect(texts).toEqual(['a', '']);
    expect(last.finishReason).toBe('stop');
  });
});

describe('what ends an answer', () => {
  test('a stop string across three tokens, with what follows it cut off', () => {
    const { texts, last } = textsOf(['one\n', '\nHu', 'man: two'], { stopStrings: ['\n\nHuman:'] });
    expect(texts).toEqual(['one', '', '']);
    expect(last.finishReason).toBe('stop');
  });

  test('the stop string that ends first, and of those that end together the longest', () => {
    expect(textsOf(['xabcd'], { stopStrings: ['abcd', 'bc'] }).texts).toEqual(['xa']);
    expect(textsOf(['xabcd'], { stopStrings: ['bc', 'abc'] }).texts).toEqual(['x']);
  });

  test('a stop string in the last token that fits', () => {
    expect(textsOf(['a', 'END'], { stopStrings: ['END'], maxTokens: 2 }).last.finishReason).toBe('stop');
  });

  test.each([
    [2, 9],
    [9, 2],
  ])('max tokens %i and context %i, whichever is less', (maxTokens, contextLeft) => {
    const state = makeState({ maxTokens, contextLeft });
    expect([state.push(300), state.push(301)].map((delta) => delta.finishReason)).toEqual([null, 'length']);
  });

  test('after which tokens are ignored', () => {
    const state = makeState({ maxTokens: 1 });
    state.push(300);
    expect(state.push(301)).toEqual({ text: '', tokenIds: [], logprobs: [], finishReason: null });
    expect([state.numTokens, state.finishReason]).toEqual([1, 'length']);
  });

  test('no special token but the stop tokens, and its name is not text', () => {
    expect(makeState().push(1)).toMatchObject({ text: '', tokenIds: [1], finishReason: null });
  });
});

test('log-probabilities carry the bytes of tokens and alternatives', () => {
  const fox = tiny.encode(' fox')[0] as number;
  const delta = makeState().push(fox, { logprob: -0.5, topTokenIds: [fox, STOP_ID], topLogprobs: [-0.5, -2] });
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  expect(delta.logprobs.map((entry) => [entry.tokenId, entry.logprob, text(entry.tokenBytes)])).toEqual([
    [fox, -0.5, text(tiny.tokenBytes(fox))],
  ]);
  expect(delta.logprobs[0]?.top.map((entry) => [entry.logprob, text(entry.tokenBytes)])).toEqual([
    [-0.5, text(tiny.tokenBytes(fox))],
    [-2, '<|im_end|>'],
  ]);
});

test.each(goldenRows)('the golden continuation of $text comes out whole', ({ greedy_ids, greedy_text }) => {
  const state = makeState({ maxTokens: greedy_ids.length });
  const text = greedy_ids.map((id) => state.push(id).text).join('');
  expect(text).toBe(greedy_text.replace('<|im_end|>', ''));
  expect(state.finishReason).toBe(greedy_ids.at(-1) === STOP_ID ? 'stop' : 'length');
});

describe(`random tokens and stop strings (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const cases = Array.from({ length: 500 }, (_, caseIdx) => {
    const ids = randomIds(random);
    return { caseIdx, ids, stopStrings: randomStops(random, tiny.decode(ids)) };
  });

  test('the deltas are the decoded text, cut at the stop string', () => {
    for (const { caseIdx, ids, stopStrings } of cases) {
      const state = makeState({ stopStrings, maxTokens: ids.length });
      const text = ids.map((id) => state.push(id).text).join('');
      const expected = cutReference(answerText(ids), stopStrings);
      expect({ caseIdx, stopStrings, text }).toEqual({ caseIdx, stopStrings, text: expected });
    }
  });

  test('no more is held back than may become a stop string', () => {
    for (const { caseIdx, ids, stopStrings } of cases) {
      const state = makeState({ stopStrings });
      const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
      let [stable, emitted] = ['', ''];
      for (const id of ids) {
        const delta = state.push(id);
        if (state.finishReason !== null) break;
        emitted += delta.text;
        if (!tiny.isSpecial(id)) stable += decoder.decode(tiny.tokenBytes(id), { stream: true });
        expect(stable.slice(emitted.length), `case ${caseIdx}`).toBe(longestBeginning(stable, stopStrings));
      }
    }
  });

  test('the same tokens give the same deltas', () => {
    for (const { ids, stopStrings } of cases.slice(0, 50)) {
      const [first, again] = [makeState({ stopStrings }), makeState({ stopStrings })];
      expect(ids.map((id) => again.push(id))).toEqual(ids.map((id) => first.push(id)));
    }
  });
});

test('work is constant for each token', () => {
  const state = makeState({ stopStrings: ['aaaaaaaaaaaaaaab', 'zz'], maxTokens: 1e9, contextLeft: 1e9 });
  const ids = tiny.encode('aaaa fox 天 ');
  const start = performance.now();
  for (let i = 0; i < 200_000; i++) state.push(ids[i % ids.length] as number);
  // Quadratic work would take minutes.
  expect(performance.now() - start).toBeLessThan(5000);
});

/** Words of many scripts, single random tokens and bytes; sometimes a stop token. */
function randomIds(random: SeededRandom): number[] {
  const ids: number[] = [];
  for (let k = 1 + random.below(6); k > 0; k--) {
    const text = random.pick(multilingual);
    const start = random.below(text.length);
    const words = tiny.encode(text.slice(start, start + 1 + random.below(12)));
    const noise = Array.from({ length: random.below(3) }, () => 3 + random.below(tiny.vocabSize - 3));
    ids.push(...words, ...noise);
  }
  if (random.below(4) === 0) ids.splice(random.below(ids.length), 0, random.below(3));
  return ids;
}

/** Pieces of the text, pieces that go wrong at their end, and short strings that match often. */
function randomStops(random: SeededRandom, text: string): string[] {
  const chars = [...text];
  const piece = () => {
    const start = random.below(chars.length);
    return chars.slice(start, start + 1 + random.below(5)).join('');
  };
  const makers = [piece, () => `${piece()}☃`, () => random.pick([' ', 'a', 'ee', '\uFFFD', '\n\n', '天'])];
  const stops = Array.from({ length: random.below(5) }, () => random.pick(makers)());
  return stops.filter((stop) => stop !== '');
}

/** Text of the tokens before the first stop token. */
function answerText(ids: readonly number[]): string {
  const end = ids.findIndex((id) => id === STOP_ID || id === 0);
  return tiny.decode(end < 0 ? ids : ids.slice(0, end));
}

/** The naive rule: the first position at which a stop string ends; of those that end there the longest. */
function cutReference(text: string, stopStrings: readonly string[]): string {
  for (let end = 1; end <= text.length; end++) {
    const ending = stopStrings.filter((stop) => text.slice(0, end).endsWith(stop));
    if (ending.length > 0) return text.slice(0, end - Math.max(...ending.map((stop) => stop.length)));
  }
  return text;
}

/** The longest end of the text that begins a stop string. */
function longestBeginning(text: string, stopStrings: readonly string[]): string {
  for (let start = 0; start < text.length; start++) {
    if (stopStrings.some((stop) => stop.startsWith(text.slice(start)))) return text.slice(start);
  }
  return '';
}
