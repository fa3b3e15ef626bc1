// Reads the merges of a BPE model as rows of numbers, [left, right, rank, result]: lower ranks go first, two pairs may have the same.
// Called by bpe-tables.ts; merge-table.ts finds them again.
import { TokenizerError } from './error.js';
import type { Vocabulary } from './vocabulary.js';

/** Bounds the table, and keeps rank and position of a candidate exact in one number (merge-queue.ts). */
const NUM_MERGES_MAX = 1 << 22;

/** Bounds the ways to make a token of two; SentencePiece's own bound is 16 by default. */
const SCORED_LENGTH_MAX = 512;

/**
 * @param value `model.merges`: "left right" or [left, right], those that go first in front.
 * @throws TokenizerError naming the merge that is none, or whose parts or result are not in the vocabulary.
 */
export function readMerges(value: unknown, vocabulary: Vocabulary): Uint32Array {
  if (!Array.isArray(value)) throw new TokenizerError('tokenizer.json:model.merges', 'must be an array');
  checkNumMerges(value.length);
  const rows = new Uint32Array(4 * value.length);
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
    rows.set([idOf(left, rank), idOf(right, rank), rank, idOf(left + right, rank)], 4 * rank);
  });
  return rows;
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
export function mergesByScore(value: readonly unknown[], vocabulary: Vocabulary): Uint32Array {
  const scores = value.map((score, id) => {
    if (score === null || (typeof score === 'number' && !Number.isNaN(score))) return score;
    throw new TokenizerError(`tokenizer.json:model.scores.${id}`, `is ${String(score)}, which is no score`);
  });
  const merges = scores.flatMap((score, id) => (score === null ? [] : splitsOf(id, vocabulary)));
  checkNumMerges(merges.length);
  const ranks = ranksOf(scores);
  const rows = new Uint32Array(4 * merges.length);
  for (const [i, [left, right, result]] of merges.entries())
    rows.set([left, right, ranks.get(scores[result] as number) as number, result], 4 * i);
  return rows;
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
