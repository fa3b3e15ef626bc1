// Token id to bytes, read from a parsed tokenizer.json. Made by Tokenizer; the output path reads it once a token.
// Covers byte-level BPE only: with other decoders the bytes of a token depend on its neighbours.
import { charToByte } from './byte-level.js';
import { TokenizerError } from './error.js';

/** Far above every published vocabulary; bounds the table that a hostile file can ask for. */
const NUM_IDS_MAX = 1 << 22;

interface AddedToken {
  id: number;
  content: string;
  special: boolean;
}

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

  /** @param json Parsed tokenizer.json, already known to be byte-level BPE. */
  constructor(json: Record<string, unknown>) {
    const addedTokens = readAddedTokens(json.added_tokens);
    const pieces = readPieces(json.model, addedTokens);
    this.numIds = pieces.length;
    this.#ends = new Uint32Array(pieces.length);
    let end = 0;
    let tokenBytesMax = 0;
    for (let id = 0; id < pieces.length; id++) {
      const numBytes = pieces[id]?.length ?? 0;
      tokenBytesMax = Math.max(tokenBytesMax, numBytes);
      this.#ends[id] = end += numBytes;
    }
    this.tokenBytesMax = tokenBytesMax;
    this.#bytes = new Uint8Array(end);
    pieces.forEach((piece, id) => {
      this.#bytes.set(piece, (this.#ends[id] as number) - piece.length);
    });
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

/** Bytes by id; a sparse array where the vocabulary has holes. */
function readPieces(model: unknown, addedTokens: readonly AddedToken[]): Uint8Array[] {
  const vocab = isObject(model) ? model.vocab : undefined;
  if (!isObject(vocab)) throw new TokenizerError('tokenizer.json:model.vocab', 'must be an object from token to id');
  const addedIds = new Set(addedTokens.map((token) => token.id));
  const pieces: Uint8Array[] = [];
  for (const [token, id] of Object.entries(vocab)) {
    if (!isId(id)) throw new TokenizerError(`tokenizer.json:model.vocab.${token}`, 'has an id that is out of range');
    if (!addedIds.has(id)) pieces[id] = decodeToken(token);
  }
  const utf8 = new TextEncoder();
  for (const { id, content } of addedTokens) pieces[id] = utf8.encode(content);
  return pieces;
}

function decodeToken(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = charToByte.get(token.charAt(i));
    if (byte === undefined) {
      throw new TokenizerError(`tokenizer.json:model.vocab.${token}`, 'is not written in the byte-level alphabet');
    }
    bytes[i] = byte;
  }
  return bytes;
}

function readAddedTokens(value: unknown): AddedToken[] {
  const list: unknown[] = Array.isArray(value) ? value : [];
  return list.map((entry, i) => {
    if (isObject(entry) && isId(entry.id) && typeof entry.content === 'string' && entry.content.length > 0) {
      return { id: entry.id, content: entry.content, special: entry.special === true };
    }
    throw new TokenizerError(`tokenizer.json:added_tokens.${i}`, 'must have an id and a content');
  });
}

function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < NUM_IDS_MAX;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
