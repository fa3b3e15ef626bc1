// The tokenizer of a GGUF file in the form of a Hugging Face tokenizer.json, which libs/tokenizer reads. Used by open-model.ts.
// Byte-level BPE only. llama.cpp names the splitting of texts before BPE; what a name means stands here, as data.
import { type GgufTokenizer, ModelError } from '@switchyard/model';
import type { TokenizerFiles } from '@switchyard/tokenizer';

/** The parts of a tokenizer.json that `tokenizer.ggml.pre` stands for. */
interface Splitting {
  normalizer: unknown;
  preTokenizer: unknown;
  /** A piece that is a token as a whole is not merged. */
  ignoreMerges: boolean;
}

const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers });
const split = (regex: string) => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});
const words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

const plain = { normalizer: null, ignoreMerges: false };

/** Source: tokenizer.json of GPT-2, SmolLM2, Llama 3 and Qwen2. */
const splittings: Readonly<Record<string, Splitting>> = {
  'gpt-2': { ...plain, preTokenizer: byteLevel(true) },
  smollm: { ...plain, preTokenizer: sequence({ type: 'Digits', individual_digits: true }, byteLevel(true)) },
  'llama-bpe': {
    normalizer: null,
    ignoreMerges: true,
    preTokenizer: sequence(split(words('\\p{N}{1,3}')), byteLevel(false)),
  },
  qwen2: {
    normalizer: { type: 'NFC' },
    ignoreMerges: false,
    preTokenizer: sequence(split(words('\\p{N}')), byteLevel(false)),
  },
};

/** @throws ModelError naming the kind of tokenizer that is not supported. */
export function tokenizerFilesOf(tokenizer: GgufTokenizer, file: string): TokenizerFiles {
  if (tokenizer.model !== 'gpt2') {
    throw new ModelError(`${file}:tokenizer.ggml.model`, `is ${tokenizer.model}, supported is gpt2 (byte-level BPE)`);
  }
  const splitting = Object.hasOwn(splittings, tokenizer.pre) ? splittings[tokenizer.pre] : undefined;
  if (!splitting) {
    const known = Object.keys(splittings).join(', ');
    throw new ModelError(`${file}:tokenizer.ggml.pre`, `is ${tokenizer.pre}, supported is one of ${known}`);
  }
  if (!tokenizer.merges) throw new ModelError(`${file}:tokenizer.ggml.merges`, 'is missing');
  return {
    tokenizer: tokenizerJson(tokenizer, splitting, tokenizer.merges),
    config: configJson(tokenizer),
    ...(tokenizer.chatTemplate !== null && { chatTemplate: tokenizer.chatTemplate }),
  };
}

function tokenizerJson(tokenizer: GgufTokenizer, splitting: Splitting, merges: readonly string[]): unknown {
  const { tokens, types } = tokenizer;
  const added = tokens.flatMap((content, id) => {
    const isSpecial = types[id] === 'control' || types[id] === 'unknown';
    if (!isSpecial && types[id] !== 'user-defined') return [];
    return [{ id, content, special: isSpecial, single_word: false, lstrip: false, rstrip: false, normalized: false }];
  });
  return {
    version: '1.0',
    added_tokens: added,
    normalizer: splitting.normalizer,
    pre_tokenizer: splitting.preTokenizer,
    post_processor: postProcessor(tokenizer),
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
      unk_token: null,
      ignore_merges: splitting.ignoreMerges,
    },
  };
}

/** Puts the tokens around a text that the file says belong there. */
function postProcessor({ tokens, addBosToken, addEosToken, bosTokenId, eosTokenId }: GgufTokenizer): unknown {
  const bos = addBosToken === true && bosTokenId !== null ? (tokens[bosTokenId] as string) : undefined;
  const eos = addEosToken === true && eosTokenId !== null ? (tokens[eosTokenId] as string) : undefined;
  const marks = [bos, eos].filter((mark) => mark !== undefined);
  if (marks.length === 0) return null;
  const special = (id: string | undefined) => (id === undefined ? [] : [{ SpecialToken: { id, type_id: 0 } }]);
  const single = [...special(bos), { Sequence: { id: 'A', type_id: 0 } }, ...special(eos)];
  const entries = marks.map((id) => [id, { id, ids: [tokens.indexOf(id)], tokens: [id] }]);
  return { type: 'TemplateProcessing', single, pair: single, special_tokens: Object.fromEntries(entries) };
}

/** Names of special tokens, which chat templates use. */
function configJson({ tokens, bosTokenId, eosTokenId, unknownTokenId, paddingTokenId }: GgufTokenizer): unknown {
  const ids = { bos_token: bosTokenId, eos_token: eosTokenId, unk_token: unknownTokenId, pad_token: paddingTokenId };
  const named = Object.entries(ids).flatMap(([name, id]) => (id === null ? [] : [[name, tokens[id]]]));
  return Object.fromEntries(named);
}
