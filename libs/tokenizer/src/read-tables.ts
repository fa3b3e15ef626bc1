// Makes tables of a tokenizer's parsed files: the whole vocabulary and its merges are looked at once, here. Called by Tokenizer.of.
import { type BpeTables, readBpe } from './bpe-tables.js';
import { findChatTemplate, specialTokenTexts } from './chat-template.js';
import { TokenizerError } from './error.js';
import { isObject, requireObject, typeOf } from './json.js';
import { makeNormalizer } from './normalizer.js';
import { readPostProcessor } from './post-processor.js';
import { makePreTokenizer } from './pre-tokenizer.js';
import { longestOf, type TokenizerTables } from './tables.js';
import { readTokenSpelling } from './token-spelling.js';
import { spellTokens } from './token-table.js';
import { type AddedToken, readAddedTokens, readVocabulary, type Vocabulary } from './vocabulary.js';

/** Parsed files of a model directory. */
export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer: unknown;
  /** tokenizer_config.json */
  config: unknown;
  /** Text of chat_template.jinja, which goes before the one in the configuration. */
  chatTemplate?: string;
}

/** @throws TokenizerError naming what is not supported. */
export function readTables(files: TokenizerFiles): TokenizerTables {
  const json = requireFile(files.tokenizer, 'tokenizer.json');
  const config = requireFile(files.config, 'tokenizer_config.json');
  const spelling = readTokenSpelling(json.decoder);
  const vocabulary = readVocabulary(isObject(json.model) ? json.model.vocab : undefined);
  const addedTokens = readAddedTokens(json.added_tokens, makeNormalizer(json.normalizer).apply);
  const tokens = spellTokens(vocabulary, addedTokens, spelling);
  const { settings: bpe, ...bpeTables } = readModel(json, vocabulary);
  checkSurroundings(json.post_processor, vocabulary, addedTokens);
  const settings = {
    normalizer: json.normalizer ?? null,
    preTokenizer: json.pre_tokenizer ?? null,
    postProcessor: json.post_processor ?? null,
    addedTokens,
    bpe,
    tokenBytesMax: longestOf(tokens),
    stripsSpace: spelling.stripsSpace,
    specialTokens: specialTokenTexts(config),
    chatTemplate: files.chatTemplate ?? findChatTemplate(config) ?? null,
  };
  return { settings, tokens, ...bpeTables };
}

function readModel(json: Record<string, unknown>, vocabulary: Vocabulary): BpeTables {
  const field = 'tokenizer.json:model';
  const { isByteLevel } = makePreTokenizer(json.pre_tokenizer);
  const model = requireObject(json.model, field);
  if (model.type !== 'BPE') throw new TokenizerError(`${field}.type`, `is ${typeOf(json.model)}, supported is BPE`);
  return readBpe(model, { vocabulary, isByteLevel });
}

/** What stands around a text must be tokens. */
function checkSurroundings(json: unknown, { tokens }: Vocabulary, addedTokens: readonly AddedToken[]): void {
  const { before, after } = readPostProcessor(json);
  const isUnknown = (id: number) => tokens[id] === undefined && addedTokens.every((token) => token.id !== id);
  const unknown = [...before, ...after].find(isUnknown);
  if (unknown === undefined) return;
  throw new TokenizerError('tokenizer.json:post_processor', `has the id ${unknown}, which no token has`);
}

function requireFile(value: unknown, file: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new TokenizerError(file, 'must hold a JSON object');
}
