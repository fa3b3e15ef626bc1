// Token id to bytes. Made by Tokenizer; the output path reads it once a token.
import type { TokenSpelling } from './token-spelling.js';
import type { AddedToken, Vocabulary } from './vocabulary.js';

/** UTF-8 needs three bytes for a UTF-16 unit at most. */
const BYTES_MAX_PER_UNIT = 3;

/** Bytes of every token and which of them are special. */
export class TokenTable {
  /** One more than the highest id. */
  readonly numIds: number;
  /** Length of the longest token in bytes. */
  readonly tokenBytesMax: number;
  readonly contentToId: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlySet<number>;
  /** Bytes of all tokens in id order; token id's are [#ends[id - 1], #ends[id]). */
  readonly #bytes: Uint8Array;
  readonly #ends: Uint32Array;

  constructor(vocabulary: Vocabulary, addedTokens: readonly AddedToken[], spelling: TokenSpelling) {
    const added = new Map(addedTokens.map((token) => [token.id, token.text]));
    this.numIds = addedTokens.reduce((numIds, { id }) => Math.max(numIds, id + 1), vocabulary.tokens.length);
    this.#ends = new Uint32Array(this.numIds);
    const room = new Uint8Array(BYTES_MAX_PER_UNIT * numUnits(vocabulary.tokens, added));
    let end = 0;
    let tokenBytesMax = 0;
    for (let id = 0; id < this.numIds; id++) {
      const addedText = added.get(id);
      const token = vocabulary.tokens[id];
      let numBytes = 0;
      if (addedText !== undefined) numBytes = spelling.writeAdded(addedText, room.subarray(end));
      else if (token !== undefined) numBytes = spelling.write(token, room.subarray(end));
      tokenBytesMax = Math.max(tokenBytesMax, numBytes);
      this.#ends[id] = end += numBytes;
    }
    this.tokenBytesMax = tokenBytesMax;
    this.#bytes = room.slice(0, end);
    this.contentToId = new Map(addedTokens.map((token) => [token.content, token.id]));
    this.#specialIds = new Set(addedTokens.filter((token) => token.special).map((token) => token.id));
  }

  /** Bytes of a token, none for an id that the vocabulary leaves out. The caller must not change them. */
  bytes(id: number): Uint8Array {
    if (!(id >= 0 && id < this.numIds)) return this.#bytes.subarray(0, 0);
    return this.#bytes.subarray(id === 0 ? 0 : this.#ends[id - 1], this.#ends[id]);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }
}

/** UTF-16 units of all tokens together. */
function numUnits(tokens: readonly string[], added: ReadonlyMap<number, string>): number {
  let units = 0;
  for (const token of tokens) units += token?.length ?? 0;
  for (const text of added.values()) units += text.length;
  return units;
}
