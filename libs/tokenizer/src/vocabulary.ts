// The vocabulary and the added tokens of a tokenizer.json. Read once by Tokenizer for all that need them.
import { TokenizerError } from './error.js';
import { isId, isObject, optionalArray } from './json.js';

/** Texts of tokens by id, and ids by text. */
export interface Vocabulary {
  /** Sparse where ids are left out. Added tokens that the model's vocabulary does not have are not among them. */
  tokens: readonly string[];
  ids: ReadonlyMap<string, number>;
}

/** A token that is found in a text before the text is cut. */
export interface AddedToken {
  id: number;
  content: string;
  /** What it is looked for and decoded as: the content, normalised where the text is. */
  text: string;
  /** A mark, which answers leave out. */
  special: boolean;
  /** Found only where no word goes on at its ends. */
  singleWord: boolean;
  /** Takes the white space before it, or behind it, along. */
  lstrip: boolean;
  rstrip: boolean;
  /** Looked for in the normalised text. */
  normalized: boolean;
}

/**
 * @param value `model.vocab`: an object from token to id; from a GGUF file an array of tokens, by id.
 * @throws TokenizerError naming the token whose id is no id.
 */
export function readVocabulary(value: unknown): Vocabulary {
  if (Array.isArray(value)) return fromArray(value);
  if (!isObject(value)) throw new TokenizerError('tokenizer.json:model.vocab', 'must be an object from token to id');
  const tokens: string[] = [];
  const ids = new Map<string, number>();
  for (const token of Object.keys(value)) {
    const id = value[token];
    if (!isId(id)) throw new TokenizerError(`tokenizer.json:model.vocab.${token}`, 'has an id that is out of range');
    tokens[id] = token;
    ids.set(token, id);
  }
  return { tokens, ids };
}

/** Of a text that stands twice the last id counts, as in an object. */
function fromArray(value: readonly unknown[]): Vocabulary {
  const ids = new Map<string, number>();
  value.forEach((token, id) => {
    if (typeof token !== 'string' || !isId(id)) {
      throw new TokenizerError(`tokenizer.json:model.vocab.${id}`, 'must be a text with an id that is in range');
    }
    ids.set(token, id);
  });
  return { tokens: value as readonly string[], ids };
}

/**
 * @param value `added_tokens`.
 * @param normalize The tokenizer's normaliser.
 * @throws TokenizerError naming the entry that is none.
 */
export function readAddedTokens(value: unknown, normalize: (text: string) => string): AddedToken[] {
  return optionalArray(value, 'tokenizer.json:added_tokens').map((entry, i) => {
    if (!isObject(entry) || !isId(entry.id) || typeof entry.content !== 'string' || entry.content === '') {
      throw new TokenizerError(`tokenizer.json:added_tokens.${i}`, 'must have an id and a content');
    }
    const special = entry.special === true;
    const normalized = entry.normalized === undefined ? !special : entry.normalized === true;
    return {
      id: entry.id,
      content: entry.content,
      text: normalized ? normalize(entry.content) : entry.content,
      special,
      singleWord: entry.single_word === true,
      lstrip: entry.lstrip === true,
      rstrip: entry.rstrip === true,
      normalized,
    };
  });
}
