// Token id to bytes. Made by Tokenizer; the output path reads it once a token.
import type { ByteStrings } from './tables.js';
import type { TokenSpelling } from './token-spelling.js';
import type { AddedToken, Vocabulary } from './vocabulary.js';

/** UTF-8 needs three bytes for a UTF-16 unit at most. */
const BYTES_MAX_PER_UNIT = 3;

/** Bytes of every token and which of them are special. */
export class TokenTable {
  readonly contentToId: ReadonlyMap<string, number>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #tokens: ByteStrings;

  constructor(tokens: ByteStrings, addedTokens: readonly AddedToken[]) {
    this.#tokens = tokens;
    this.contentToId = new Map(addedTokens.map((token) => [token.content, token.id]));
    this.#specialIds = new Set(addedTokens.filter((token) => token.special).map((token) => token.id));
  }

  /** One more than the highest id. */
  get numIds(): number {
    return this.#tokens.ends.length;
  }

  /** Bytes of a token, none for an id that the vocabulary leaves out. The caller must not change them. */
  bytes(id: number): Uint8Array {
    const { bytes, ends } = this.#tokens;
    if (!(id >= 0 && id < ends.length)) return bytes.subarray(0, 0);
    return bytes.subarray(id === 0 ? 0 : ends[id - 1], ends[id]);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }
}

/** The bytes of all tokens by id. @throws TokenizerError for a token that is not spelled so. */
export function spellTokens(
  vocabulary: Vocabulary,
  addedTokens: readonly AddedToken[],
  spelling: TokenSpelling,
): ByteStrings {
  const added = new Map(addedTokens.map((token) => [token.id, token.text]));
  const numIds = addedTokens.reduce((most, { id }) => Math.max(most, id + 1), vocabulary.tokens.length);
  const ends = new Uint32Array(numIds);
  const room = new Uint8Array(BYTES_MAX_PER_UNIT * numUnits(vocabulary.tokens, added));
  let end = 0;
  for (let id = 0; id < numIds; id++) {
    const addedText = added.get(id);
    const token = vocabulary.tokens[id];
    if (addedText !== undefined) end += spelling.writeAdded(addedText, room.subarray(end));
    else if (token !== undefined) end += spelling.write(token, room.subarray(end));
    ends[id] = end;
  }
  return { bytes: room.slice(0, end), ends };
}

/** UTF-16 units of all tokens together. */
function numUnits(tokens: readonly string[], added: ReadonlyMap<number, string>): number {
  let units = 0;
  for (const token of tokens) units += token?.length ?? 0;
  for (const text of added.values()) units += text.length;
  return units;
}
