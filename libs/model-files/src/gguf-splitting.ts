// What the names in `tokenizer.ggml.pre` stand for, as parts of a Hugging Face tokenizer.json. Data for gguf-tokenizer.ts.
// Names: https://github.com/ggml-org/llama.cpp, src/llama-vocab.cpp. Patterns: the tokenizer.json of the models named in each row.

/** How a byte-level tokenizer prepares a text for BPE. */
export interface Splitting {
  normalizer: unknown;
  preTokenizer: unknown;
  /** A piece that is a token as a whole is not merged. */
  ignoreMerges: boolean;
  /** Whether a begin-of-sequence token goes before a text where the file does not say. */
  addBosToken: boolean;
}

const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});
const split = (regex: string) => ({
  type: 'Split',
  pattern: { Regex: regex },
  behavior: 'Isolated',
  invert: false,
});
const digits = { type: 'Digits', individual_digits: true };

/** Patterns one after the other, then bytes. */
const splits = (...regexes: string[]) => sequence(...regexes.map(split), byteLevel(false));
const sequence = (...pretokenizers: unknown[]) => ({ type: 'Sequence', pretokenizers });

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

/** Words with what stands before them, numbers, and the rest. */
const words = (numbers: string) =>
  `${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${numbers}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`;

/** Words cut where lower case turns to upper case; `except` takes characters out of the letters, `behind` ends a word, `tail` a run of signs. */
function casedWords({ except = '', behind = '', numbers = '\\p{N}{1,3}', tail = '[\\r\\n/]*' }): string {
  const upper = `[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}${except}]`;
  const lower = `[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}${except}]`;
  const before = '[^\\r\\n\\p{L}\\p{N}]?';
  return (
    `${before}${upper}*${lower}+${behind}|${before}${upper}+${lower}*${behind}` +
    `|${numbers}| ?[^\\s\\p{L}\\p{N}]+${tail}|${SPACES}`
  );
}

/** Source: tokenizer.json of DeepSeek-V3. */
const deepseekWords =
  '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|' +
  SPACES;

/** Letters with cases as ranges of code points in hexadecimal. Source: tokenizer.json of DeepSeek-LLM and DeepSeek-V2. */
const deepseekLetterRanges =
  '41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C 38E-3A1 3A3-3F5 ' +
  '3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 1D79-1D9A 1E00-1F15 ' +
  '1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 1FC6-1FCC ' +
  '1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 212A-212D ' +
  '212F-2134 2139 213C-213F 2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D A680-A69B ' +
  'A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 104D8-104FB ' +
  '10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943';
const deepseekLetters = deepseekLetterRanges.replace(/[0-9A-F]+/g, (hex) => `\\x{${hex}}`).replaceAll(' ', '');
const deepseekLlm = sequence(
  split('[\\r\\n]'),
  split(`\\s?[${deepseekLetters}]+`),
  split('\\s?[!-/:-~！-／：-～‘-‟　-。]+'),
  split('\\s+$'),
  split('[一-龥ࠀ-一가-퟿]+'),
  digits,
  byteLevel(false),
);

const plain = { normalizer: null, ignoreMerges: false, addBosToken: false };
const NFC = { type: 'NFC' };

const gpt2: Splitting = { ...plain, preTokenizer: byteLevel(true) };
const llama3: Splitting = {
  ...plain,
  preTokenizer: splits(words('\\p{N}{1,3}')),
  ignoreMerges: true,
  addBosToken: true,
};
const qwen2: Splitting = { ...plain, preTokenizer: splits(words('\\p{N}')), normalizer: NFC };
const glm4: Splitting = { ...plain, preTokenizer: splits(words('\\p{N}{1,3}')) };
const gpt4o: Splitting = { ...plain, preTokenizer: splits(casedWords({ behind: `${CONTRACTIONS}?` })) };

/** Source of `default`, which older files have: llama.cpp, since no model has it. */
const unnamed: Splitting = {
  ...plain,
  preTokenizer: sequence(
    split('[\\p{P}\\$\\+<=>\\^~\\|]+'),
    split("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"),
    split('\\p{N}+'),
    split('[0-9][0-9][0-9]'),
    byteLevel(false),
  ),
};

/** By name. */
export const splittings: Readonly<Record<string, Splitting>> = {
  default: unnamed,
  'gpt-2': gpt2,
  // OLMo and OLMoE.
  olmo: { ...gpt2, normalizer: NFC },
  smollm: { ...plain, preTokenizer: sequence(digits, byteLevel(true)) },
  // Llama 3.
  'llama-bpe': llama3,
  'llama-v3': llama3,
  llama3,
  // Qwen2, Qwen3 and what is distilled into them.
  qwen2,
  'deepseek-r1-qwen': qwen2,
  // DeepSeek-LLM and DeepSeek-V2, DeepSeek-Coder, DeepSeek-V3 and R1.
  'deepseek-llm': { ...plain, preTokenizer: deepseekLlm },
  'deepseek-coder': {
    ...plain,
    preTokenizer: sequence(
      split('[\\r\\n]'),
      split('\\s?\\p{L}+'),
      split('\\s?\\p{P}+'),
      split('[一-龥ࠀ-一가-퟿]+'),
      digits,
      byteLevel(false),
    ),
  },
  'deepseek-v3': { ...plain, preTokenizer: splits('\\p{N}{1,3}', '[一-龥\u3040-ゟ゠-ヿ]+', deepseekWords) },
  // GLM-4 and GLM-4.5.
  glm4,
  'chatglm-bpe': glm4,
  // MiniMax-M2 cuts as GPT-4o does.
  'gpt-4o': gpt4o,
  'minimax-m2': gpt4o,
  // Kimi-K2; source: its tokenization_kimi.py.
  'kimi-k2': {
    ...plain,
    preTokenizer: splits(
      `[\\p{Han}]+|${casedWords({ except: '&&[^\\p{Han}]', behind: `${CONTRACTIONS}?`, tail: '[\\r\\n]*' })}`,
    ),
  },
  // Mistral's Tekken.
  tekken: {
    ...plain,
    preTokenizer: splits(casedWords({ numbers: '\\p{N}' })),
    ignoreMerges: true,
    addBosToken: true,
  },
};
