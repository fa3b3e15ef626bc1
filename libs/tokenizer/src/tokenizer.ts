// Text to token ids and back, and the model's chat template. Made by libs/model-files from a model's files; the router
// encodes with it, prefill and decode turn ids into text.
import { type ChatMessage, type ChatOptions, ChatTemplate, findChatTemplate } from './chat-template.js';
import { Encoder } from './encoder.js';
import { TokenizerError } from './error.js';
import { isObject } from './json.js';
import { makeNormalizer } from './normalizer.js';
import { readTokenSpelling } from './token-spelling.js';
import { TokenTable } from './token-table.js';
import { readAddedTokens, readVocabulary } from './vocabulary.js';

/** Parsed files of a model directory. */
export interface TokenizerFiles {
  /** tokenizer.json */
  tokenizer: unknown;
  /** tokenizer_config.json */
  config: unknown;
  /** Text of chat_template.jinja, which goes before the one in the configuration. */
  chatTemplate?: string;
}

export interface EncodeOptions {
  /** Reads the text of special tokens ("<|im_end|>") as these tokens, as Hugging Face does; true by default. */
  parseSpecial?: boolean;
  /** Adds what the model puts around a text (a begin-of-sequence token); false by default. Chat templates write it themselves. */
  addSpecial?: boolean;
}

/** Tokenizer of one model: BPE, byte-level or in SentencePiece's manner. */
export class Tokenizer {
  readonly #config: Record<string, unknown>;
  readonly #encoder: Encoder;
  readonly #table: TokenTable;
  /** Whether a whole text has a space less at its start than its tokens. */
  readonly #stripsSpace: boolean;
  readonly #templateSource: string | undefined;
  #template: ChatTemplate | undefined;

  /** @throws TokenizerError for files that are not those of a supported tokenizer. */
  constructor(files: TokenizerFiles) {
    const json = requireFile(files.tokenizer, 'tokenizer.json');
    this.#config = requireFile(files.config, 'tokenizer_config.json');
    const spelling = readTokenSpelling(json.decoder);
    const vocabulary = readVocabulary(isObject(json.model) ? json.model.vocab : undefined);
    const normalizer = makeNormalizer(json.normalizer);
    const addedTokens = readAddedTokens(json.added_tokens, normalizer.apply);
    this.#table = new TokenTable(vocabulary, addedTokens, spelling);
    this.#encoder = new Encoder(json, { vocabulary, addedTokens, normalizer });
    this.#stripsSpace = spelling.stripsSpace;
    this.#templateSource = files.chatTemplate ?? findChatTemplate(this.#config);
  }

  /** Number of ids, holes included; a model's embedding may have more rows. */
  get vocabSize(): number {
    return this.#table.numIds;
  }

  /** Token ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const { parseSpecial = true, addSpecial = false } = options;
    return this.#encoder.encode(text, parseSpecial, addSpecial);
  }

  /** The conversation as the model reads it. @throws TokenizerError without a template, or when it refuses the messages. */
  renderChat(messages: readonly ChatMessage[], options?: ChatOptions): string {
    if (this.#templateSource === undefined) {
      throw new TokenizerError('messages', 'the model has no chat template; ask for a text completion');
    }
    this.#template ??= new ChatTemplate(this.#templateSource, this.#config);
    return this.#template.render(messages, options);
  }

  /**
   * Token ids of a conversation. The rendered text is parsed for special tokens, as Hugging Face does: a user who writes
   * "<|im_end|>" ends his turn.
   */
  encodeChat(messages: readonly ChatMessage[], options?: ChatOptions): number[] {
    return this.encode(this.renderChat(messages, options));
  }

  /**
   * A lower bound of the tokens of a text, found without encoding it: refuses huge prompts cheaply. 0 where the tokenizer
   * may shorten a text.
   */
  numTokensMin(text: string): number {
    return this.#encoder.keepsLength ? Math.ceil(text.length / this.#table.tokenBytesMax) : 0;
  }

  /**
   * Text of a whole sequence; special tokens have none. Invalid UTF-8 becomes U+FFFD. The space that SentencePiece puts before a text is
   * taken away again; OutputState, whose tokens go on with a prompt, leaves it.
   */
  decode(ids: readonly number[]): string {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const parts = ids
      .filter((id) => !this.isSpecial(id))
      .map((id) => decoder.decode(this.tokenBytes(id), { stream: true }));
    const text = parts.join('') + decoder.decode();
    return this.#stripsSpace && text.startsWith(' ') ? text.slice(1) : text;
  }

  /** Bytes of one token, which may be a part of a character; special tokens give their name. Not to be changed. */
  tokenBytes(id: number): Uint8Array {
    return this.#table.bytes(id);
  }

  /** Whether a token is a mark that answers leave out ("<|im_end|>"). */
  isSpecial(id: number): boolean {
    return this.#table.isSpecial(id);
  }

  /** Id of an added token by its text, such as "<|im_end|>". */
  addedTokenId(content: string): number | undefined {
    return this.#table.contentToId.get(content);
  }
}

function requireFile(value: unknown, file: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new TokenizerError(file, 'must hold a JSON object');
}
