// The merges of a BPE model: which two tokens make a third, and which merge goes first. Read once a merge by Bpe.
// An open-addressing table of numbers: vocabularies have hundreds of thousands of merges, and a Map of texts takes seconds to fill.
import { TokenizerError } from './error.js';
import type { Vocabulary } from './vocabulary.js';

/** Bounds the table, and keeps rank and position of a candidate exact in one number (merge-queue.ts). */
const NUM_MERGES_MAX = 1 << 22;

/** Bounds the ways to make a token of two; SentencePiece's own bound is 16 by default. */
const SCORED_LENGTH_MAX = 512;

const NONE = -1;

/** Pair of token ids -> rank and result. Lower ranks go first; two pairs may have the same. */
export class MergeTable {
  readonly #slotMask: number;
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly #ranks: Int32Array;
  readonly #results: Int32Array;

  /** @param numMergesMax Merges that will be set at most. */
  constructor(numMergesMax: number) {
    const numSlots = 2 ** Math.ceil(Math.log2(2 * numMergesMax + 2));
    this.#slotMask = numSlots - 1;
    this.#lefts = new Int32Array(numSlots).fill(NONE);
    this.#rights = new Int32Array(numSlots);
    this.#ranks = new Int32Array(numSlots);
    this.#results = new Int32Array(numSlots);
  }

  /** The last of several merges of the same pair counts. */
  set(left: number, right: number, rank: number, result: number): void {
    const slot = this.#slotOf(left, right);
    this.#lefts[slot] = left;
    this.#rights[slot] = right;
    this.#ranks[slot] = rank;
    this.#results[slot] = result;
  }

  /** Where the pair stands, for rank and result; -1 for a pair that is not merged. */
  find(left: number, right: number): number {
    const slot = this.#slotOf(left, right);
    return this.#lefts[slot] === NONE ? NONE : slot;
  }

  rankAt(slot: number): number {
    return this.#ranks[slot] as number;
  }

  resultAt(slot: number): number {
    return this.#results[slot] as number;
  }

  /** The pair's slot, or the empty one where it belongs. Half of the slots at least are empty. */
  #slotOf(left: number, right: number): number {
    let slot = (Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & this.#slotMask;
    while (this.#lefts[slot] !== NONE && (this.#lefts[slot] !== left || this.#rights[slot] !== right)) {
      slot = (slot + 1) & this.#slotMask;
    }
    return slot;
  }
}

/**
 * @param value `model.merges`: "left right" or [left, right], those that go first in front.
 * @throws TokenizerError naming the merge that is none, or whose parts or result are not in the vocabulary.
 */
export function readMerges(value: unknown, vocabulary: Vocabulary): MergeTable {
  if (!Array.isArray(value)) throw new TokenizerError('tokenizer.json:model.merges', 'must be an array');
  checkNumMerges(value.length);
  const table = new MergeTable(value.length);
  const idOf = (token: string, rank: number): number => {
    const id = vocabulary.ids.get(token);
    if (id !== undefined) return id;
    throw new TokenizerError(
      `tokenizer.json:model.merges.${rank}`,
      `has ${JSON.stringify(token)}, which is not in the vocabulary`,
    );
  };
  value.forEach((merge: unknown, rank) => {
    const [left, right] = readPair(merge, rank);
    table.set(idOf(left, rank), idOf(right, rank), rank, idOf(left + right, rank));
  });
  return table;
}

function readPair(merge: unknown, rank: number): readonly [string, string] {
  if (typeof merge === 'string') {
    const space = merge.indexOf(' ');
    if (space > 0 && space === merge.lastIndexOf(' ') && space < merge.length - 1) {
      return [merge.slice(0, space), merge.slice(space + 1)];
    }
  } else if (
    Array.isArray(merge) &&
    merge.length === 2 &&
    typeof merge[0] === 'string' &&
    typeof merge[1] === 'string'
  ) {
    return merge as [string, string];
  }
  throw new TokenizerError(
    `tokenizer.json:model.merges.${rank}`,
    `is ${JSON.stringify(merge)}, which is no pair of tokens`,
  );
}

/**
 * The merges of SentencePiece's BPE, which gives tokens scores instead: any two tokens that make a third are merged, the one of highest
 * score first. Source: https://github.com/google/sentencepiece, src/bpe_model.cc.
 *
 * @param value By token id; null for tokens that no merge makes.
 * @throws TokenizerError naming the score that is none, or the token that is too long.
 */
export function mergesByScore(value: readonly unknown[], vocabulary: Vocabulary): MergeTable {
  const scores = value.map((score, id) => {
    if (score === null || (typeof score === 'number' && !Number.isNaN(score))) return score;
    throw new TokenizerError(`tokenizer.json:model.scores.${id}`, `is ${String(score)}, which is no score`);
  });
  const merges = scores.flatMap((score, id) => (score === null ? [] : splitsOf(id, vocabulary)));
  checkNumMerges(merges.length);
  const ranks = ranksOf(scores);
  const table = new MergeTable(merges.length);
  for (const [left, right, result] of merges)
    table.set(left, right, ranks.get(scores[result] as number) as number, result);
  return table;
}

/** Rank by score, equal for equal scores. */
function ranksOf(scores: readonly (number | null)[]): Map<number, number> {
  const distinct = new Set(scores.filter((score) => score !== null));
  return new Map([...distinct].sort((a, b) => b - a).map((score, rank) => [score, rank]));
}

/** Every way to make a token of two others. */
function splitsOf(id: number, { tokens, ids }: Vocabulary): [left: number, right: number, result: number][] {
  const token = tokens[id] ?? '';
  if (token.length > SCORED_LENGTH_MAX) {
    throw new TokenizerError(
      `tokenizer.json:model.vocab.${id}`,
      `has ${token.length} characters, supported are ${SCORED_LENGTH_MAX}`,
    );
  }
  const splits: [number, number, number][] = [];
  for (let at = 1; at < token.length; at++) {
    const left = ids.get(token.slice(0, at));
    const right = left === undefined ? undefined : ids.get(token.slice(at));
    if (left !== undefined && right !== undefined) splits.push([left, right, id]);
  }
  return splits;
}

function checkNumMerges(numMerges: number): void {
  if (numMerges <= NUM_MERGES_MAX) return;
  throw new TokenizerError('tokenizer.json:model.merges', `has ${numMerges} merges, supported are ${NUM_MERGES_MAX}`);
}
