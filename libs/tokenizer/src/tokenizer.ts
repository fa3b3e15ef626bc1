// Text to token ids and back, and the model's chat template. Made by libs/model-files from a model's files; the router
// encodes with it, prefill and decode turn ids into text.
import { type ChatMessage, type ChatOptions, ChatTemplate } from './chat-template.js';
import { Encoder } from './encoder.js';
import { TokenizerError } from './error.js';
import { readTables, type TokenizerFiles } from './read-tables.js';
import type { TokenizerTables } from './tables.js';
import { TokenTable } from './token-table.js';

export interface EncodeOptions {
  /** Reads the text of special tokens ("<|im_end|>") as these tokens, as Hugging Face does; true by default. */
  parseSpecial?: boolean;
  /** Adds what the model puts around a text (a begin-of-sequence token); false by default. Chat templates write it themselves. */
  addSpecial?: boolean;
}

/** Tokenizer of one model: BPE, byte-level or in SentencePiece's manner. */
export class Tokenizer {
  /** All that it is made of: may be kept, and made a tokenizer of again. */
  readonly tables: TokenizerTables;
  readonly #table: TokenTable;
  #encoder: Encoder | undefined;
  #template: ChatTemplate | undefined;

  constructor(tables: TokenizerTables) {
    this.tables = tables;
    this.#table = new TokenTable(tables.tokens, tables.settings.addedTokens);
  }

  /** @throws TokenizerError for files that are not those of a supported tokenizer. */
  static of(files: TokenizerFiles): Tokenizer {
    return new Tokenizer(readTables(files));
  }

  /** Number of ids, holes included; a model's embedding may have more rows. */
  get vocabSize(): number {
    return this.#table.numIds;
  }

  /** Token ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const { parseSpecial = true, addSpecial = false } = options;
    return this.#readyEncoder.encode(text, parseSpecial, addSpecial);
  }

  /** The conversation as the model reads it. @throws TokenizerError without a template, or when it refuses the messages. */
  renderChat(messages: readonly ChatMessage[], options?: ChatOptions): string {
    const { chatTemplate, specialTokens } = this.tables.settings;
    if (chatTemplate === null) {
      throw new TokenizerError('messages', 'the model has no chat template; ask for a text completion');
    }
    this.#template ??= new ChatTemplate(chatTemplate, specialTokens);
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
    return this.#readyEncoder.keepsLength ? Math.ceil(text.length / this.tables.settings.tokenBytesMax) : 0;
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
    return this.tables.settings.stripsSpace && text.startsWith(' ') ? text.slice(1) : text;
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

  /** Made on first use: those who only turn ids into text need none. */
  get #readyEncoder(): Encoder {
    this.#encoder ??= new Encoder(this.tables);
    return this.#encoder;
  }
}
