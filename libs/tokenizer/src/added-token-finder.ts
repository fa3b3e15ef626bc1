// Finds added tokens in a text, so that what lies between them is cut and encoded on its own. Used by Encoder.
// Source: https://github.com/huggingface/tokenizers, tokenizers/src/tokenizer/added_vocabulary.rs: of those that begin at a place the
// longest is taken, and the search goes on behind it, also where single_word then refuses it.
import type { AddedToken } from './vocabulary.js';

/** A stretch of a text: an added token, or, where id is null, what lies between two of them. None is empty. */
export interface Stretch {
  id: number | null;
  /** [start, end) in UTF-16 units. */
  start: number;
  end: number;
}

interface TrieNode {
  next: Map<number, TrieNode>;
  token: AddedToken | null;
}

const ENDS_WITH_WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u;
const STARTS_WITH_WORD = /^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const WHITE_SPACE = /\p{White_Space}/u;

/** Looks for a fixed set of tokens. */
export class AddedTokenFinder {
  readonly #root: TrieNode = { next: new Map(), token: null };

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) {
      let node = this.#root;
      for (let i = 0; i < token.text.length; i++) node = childOf(node, token.text.charCodeAt(i));
      node.token = token;
    }
  }

  /** The whole text as stretches, in order. */
  find(text: string): Stretch[] {
    const found: Stretch[] = [];
    let end = 0;
    const add = (id: number | null, start: number, stop: number) => {
      if (stop > start) found.push({ id, start, end: stop });
      end = Math.max(end, stop);
    };
    for (const { token, start, stop } of this.#matches(text)) {
      const first = token.lstrip ? Math.max(end, skipSpaceBack(text, start)) : Math.max(end, start);
      add(null, end, first);
      add(token.id, first, token.rstrip ? skipSpace(text, stop) : stop);
    }
    add(null, end, text.length);
    return found;
  }

  *#matches(text: string): Generator<{ token: AddedToken; start: number; stop: number }> {
    if (this.#root.next.size === 0) return;
    for (let start = 0; start < text.length; ) {
      const match = this.#longestAt(text, start);
      if (!match) {
        start++;
        continue;
      }
      if (!match.token.singleWord || standsAlone(text, start, match.stop)) yield { ...match, start };
      start = match.stop;
    }
  }

  #longestAt(text: string, start: number): { token: AddedToken; stop: number } | null {
    let longest: { token: AddedToken; stop: number } | null = null;
    let node = this.#root.next.get(text.charCodeAt(start));
    for (let stop = start + 1; node; stop++) {
      if (node.token) longest = { token: node.token, stop };
      node = stop < text.length ? node.next.get(text.charCodeAt(stop)) : undefined;
    }
    return longest;
  }
}

function childOf(node: TrieNode, code: number): TrieNode {
  let child = node.next.get(code);
  if (!child) {
    child = { next: new Map(), token: null };
    node.next.set(code, child);
  }
  return child;
}

function standsAlone(text: string, start: number, stop: number): boolean {
  // Two units are enough for the character at either side.
  return (
    !ENDS_WITH_WORD.test(text.slice(Math.max(0, start - 2), start)) &&
    !STARTS_WITH_WORD.test(text.slice(stop, stop + 2))
  );
}

function skipSpaceBack(text: string, from: number): number {
  let at = from;
  while (at > 0 && WHITE_SPACE.test(text.charAt(at - 1))) at--;
  return at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && WHITE_SPACE.test(text.charAt(at))) at++;
  return at;
}
