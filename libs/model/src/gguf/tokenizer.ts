// The tokenizer and the chat template that a GGUF file carries, checked but not interpreted. Called by gguf/model.ts.
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, "Tokenizer".
import { ModelError } from '../error.js';
import type { MetadataView } from './metadata.js';

/** What a token is (llama.cpp, llama_token_type). */
export type GgufTokenType = 'normal' | 'unknown' | 'control' | 'user-defined' | 'unused' | 'byte';

/** A tokenizer as llama.cpp describes it. Arrays are by token id. */
export interface GgufTokenizer {
  /** "gpt2" is byte-level BPE, "llama" is SentencePiece's BPE; others exist. */
  model: string;
  /** Name of the splitting of texts before BPE. */
  pre: string;
  tokens: string[];
  types: GgufTokenType[];
  /** SentencePiece's log probabilities; null where the file has none. */
  scores: number[] | null;
  /** "left right", best first; null where the file has none. */
  merges: string[] | null;
  /** Absent ids are null. */
  bosTokenId: number | null;
  eosTokenId: number | null;
  unknownTokenId: number | null;
  paddingTokenId: number | null;
  /** Whether encoding a text puts the token around it; null: as the model's kind does by default. */
  addBosToken: boolean | null;
  addEosToken: boolean | null;
  addSpacePrefix: boolean | null;
  chatTemplate: string | null;
}

const PREFIX = 'tokenizer.ggml.';
const CHAT_TEMPLATE = 'tokenizer.chat_template';

const tokenTypes: ReadonlyMap<number, GgufTokenType> = new Map([
  [1, 'normal'],
  [2, 'unknown'],
  [3, 'control'],
  [4, 'user-defined'],
  [5, 'unused'],
  [6, 'byte'],
]);

/** @throws ModelError naming the key of what is missing or does not fit together. */
export function readGgufTokenizer(metadata: MetadataView): GgufTokenizer {
  const tokens = metadata.require(metadata.texts(`${PREFIX}tokens`), `${PREFIX}tokens`);
  const id = (name: string) => tokenId(metadata, name, tokens.length);
  return {
    model: metadata.require(metadata.text(`${PREFIX}model`), `${PREFIX}model`),
    pre: metadata.text(`${PREFIX}pre`) ?? 'default',
    tokens,
    types: readTypes(metadata, tokens.length),
    scores: perToken(metadata, 'scores', metadata.numbers(`${PREFIX}scores`), tokens.length) ?? null,
    merges: readMerges(metadata),
    bosTokenId: id('bos_token_id'),
    eosTokenId: id('eos_token_id'),
    unknownTokenId: id('unknown_token_id'),
    paddingTokenId: id('padding_token_id'),
    addBosToken: metadata.bool(`${PREFIX}add_bos_token`) ?? null,
    addEosToken: metadata.bool(`${PREFIX}add_eos_token`) ?? null,
    addSpacePrefix: metadata.bool(`${PREFIX}add_space_prefix`) ?? null,
    chatTemplate: metadata.text(CHAT_TEMPLATE) ?? null,
  };
}

function readTypes(metadata: MetadataView, numTokens: number): GgufTokenType[] {
  const key = `${PREFIX}token_type`;
  const numbers = perToken(metadata, 'token_type', metadata.numbers(key), numTokens);
  if (!numbers) return Array.from({ length: numTokens }, () => 'normal');
  return numbers.map((number, id) => {
    const type = tokenTypes.get(number);
    if (type) return type;
    throw new ModelError(`${metadata.file}:${key}`, `is ${number} for token ${id}, which is no type of a token`);
  });
}

function readMerges(metadata: MetadataView): string[] | null {
  const key = `${PREFIX}merges`;
  const merges = metadata.texts(key) ?? null;
  // A part may be a space only in its byte-level form, so one space stands between the two.
  const wrong = merges?.find((merge) => merge.indexOf(' ', 1) < 0 || merge.endsWith(' '));
  if (wrong === undefined) return merges;
  throw new ModelError(`${metadata.file}:${key}`, `has ${JSON.stringify(wrong)}, which is no pair of tokens`);
}

function tokenId(metadata: MetadataView, name: string, numTokens: number): number | null {
  const id = metadata.number(PREFIX + name);
  if (id === undefined) return null;
  if (Number.isInteger(id) && id >= 0 && id < numTokens) return id;
  throw new ModelError(`${metadata.file}:${PREFIX}${name}`, `is ${id}, there are ${numTokens} tokens`);
}

function perToken<T>(
  metadata: MetadataView,
  name: string,
  values: T[] | undefined,
  numTokens: number,
): T[] | undefined {
  if (values === undefined || values.length === numTokens) return values;
  throw new ModelError(`${metadata.file}:${PREFIX}${name}`, `has ${values.length} entries for ${numTokens} tokens`);
}
