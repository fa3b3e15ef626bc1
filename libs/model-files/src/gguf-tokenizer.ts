// The tokenizer of a GGUF file in the form of a Hugging Face tokenizer.json, which libs/tokenizer reads. Used by read-files.ts.
// "gpt2" is byte-level BPE, "llama" SentencePiece's BPE. Source: https://github.com/ggml-org/llama.cpp, src/llama-vocab.cpp.
import { type GgufTokenizer, ModelError } from '@switchyard/model';
import type { TokenizerFiles } from '@switchyard/tokenizer';
import { type Splitting, splittings } from './gguf-splitting.js';

/** Parts of a tokenizer.json that depend on the kind of tokenizer. */
interface KindParts {
  normalizer: unknown;
  pre_tokenizer: unknown;
  decoder: unknown;
  model: Record<string, unknown>;
  /** Whether a begin-of-sequence token goes before a text where the file does not say. */
  addBosToken: boolean;
}

type Kind = (tokenizer: GgufTokenizer, file: string) => KindParts;

/** How SentencePiece writes a space. */
const SPACE = '\u2581';

/** By `tokenizer.ggml.model`. */
const kinds: Readonly<Record<string, Kind>> = { gpt2: byteLevelParts, llama: sentencePieceParts };

/** @throws ModelError naming the kind of tokenizer that is not supported. */
export function tokenizerFilesOf(tokenizer: GgufTokenizer, file: string): TokenizerFiles {
  const kind = Object.hasOwn(kinds, tokenizer.model) ? kinds[tokenizer.model] : undefined;
  if (!kind) {
    const known = Object.keys(kinds).join(', ');
    throw new ModelError(`${file}:tokenizer.ggml.model`, `is ${tokenizer.model}, supported is one of ${known}`);
  }
  const { addBosToken, ...parts } = kind(tokenizer, file);
  return {
    tokenizer: {
      version: '1.0',
      added_tokens: addedTokens(tokenizer),
      post_processor: postProcessor(tokenizer, addBosToken),
      ...parts,
    },
    config: configJson(tokenizer),
    ...(tokenizer.chatTemplate !== null && { chatTemplate: tokenizer.chatTemplate }),
  };
}

function byteLevelParts(tokenizer: GgufTokenizer, file: string): KindParts {
  const { normalizer, preTokenizer, ignoreMerges, addBosToken } = findSplitting(tokenizer.pre, file);
  const { tokens, merges } = tokenizer;
  if (!merges) throw new ModelError(`${file}:tokenizer.ggml.merges`, 'is missing');
  return {
    normalizer,
    pre_tokenizer: preTokenizer,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: tokens, merges, ignore_merges: ignoreMerges },
    addBosToken,
  };
}

function findSplitting(name: string, file: string): Splitting {
  const splitting = Object.hasOwn(splittings, name) ? splittings[name] : undefined;
  if (splitting) return splitting;
  const known = Object.keys(splittings).join(', ');
  throw new ModelError(`${file}:tokenizer.ggml.pre`, `is ${name}, supported is one of ${known}`);
}

/** The whole text is one piece; every stretch between special tokens gets a space before it, unless the file says otherwise. */
function sentencePieceParts(tokenizer: GgufTokenizer, file: string): KindParts {
  const { tokens, types, scores, unknownTokenId, addSpacePrefix } = tokenizer;
  if (!scores) throw new ModelError(`${file}:tokenizer.ggml.scores`, 'is missing');
  const hasPrefix = addSpacePrefix ?? true;
  const replace = (from: string, content: string) => ({ type: 'Replace', pattern: { String: from }, content });
  const prepend = hasPrefix ? [{ type: 'Prepend', prepend: SPACE }] : [];
  const strip = { type: 'Strip', content: ' ', start: hasPrefix ? 1 : 0, stop: 0 };
  return {
    normalizer: { type: 'Sequence', normalizers: [...prepend, replace(' ', SPACE)] },
    pre_tokenizer: null,
    decoder: { type: 'Sequence', decoders: [replace(SPACE, ' '), { type: 'ByteFallback' }, { type: 'Fuse' }, strip] },
    model: {
      type: 'BPE',
      vocab: tokens,
      scores: scores.map((score, id) => (types[id] === 'normal' ? score : null)),
      byte_fallback: true,
      fuse_unk: true,
      unk_token: unknownTokenId === null ? null : tokens[unknownTokenId],
    },
    addBosToken: true,
  };
}

function addedTokens({ tokens, types }: GgufTokenizer): unknown[] {
  return tokens.flatMap((content, id) => {
    const special = types[id] === 'control' || types[id] === 'unknown';
    return special || types[id] === 'user-defined' ? [{ id, content, special, normalized: false }] : [];
  });
}

/** Puts the tokens around a text that belong there. */
function postProcessor(tokenizer: GgufTokenizer, addBosByDefault: boolean): unknown {
  const { tokens, addBosToken, addEosToken, bosTokenId, eosTokenId } = tokenizer;
  const bosId = (addBosToken ?? addBosByDefault) ? bosTokenId : null;
  const eosId = addEosToken === true ? eosTokenId : null;
  const ids = [bosId, eosId].filter((id) => id !== null);
  if (ids.length === 0) return null;
  const special = (id: number | null) => (id === null ? [] : [{ SpecialToken: { id: String(id), type_id: 0 } }]);
  return {
    type: 'TemplateProcessing',
    single: [...special(bosId), { Sequence: { id: 'A', type_id: 0 } }, ...special(eosId)],
    special_tokens: Object.fromEntries(ids.map((id) => [id, { id: String(id), ids: [id], tokens: [tokens[id]] }])),
  };
}

/** Names of special tokens, which chat templates use. */
function configJson({ tokens, bosTokenId, eosTokenId, unknownTokenId, paddingTokenId }: GgufTokenizer): unknown {
  const ids = { bos_token: bosTokenId, eos_token: eosTokenId, unk_token: unknownTokenId, pad_token: paddingTokenId };
  const named = Object.entries(ids).flatMap(([name, id]) => (id === null ? [] : [[name, tokens[id]]]));
  return Object.fromEntries(named);
}
