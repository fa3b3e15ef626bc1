// Text to token ids and back, and the model's chat template. Made by libs/model-files from a model's files; the router
// encodes with it, prefill and decode turn ids into text. Encoding is by the Hugging Face package, the way back is our own
// table (token-table.ts), because a stream needs the bytes of a single token.
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { type ChatMessage, type ChatOptions, ChatTemplate, findChatTemplate } from './chat-template.js';
import { TokenizerError } from './error.js';
import { TokenTable } from './token-table.js';

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

/** Tokenizer of one model: byte-level BPE only. */
export class Tokenizer {
  readonly #files: Record<string, unknown>;
  readonly #config: Record<string, unknown>;
  readonly #encoder: HuggingFaceTokenizer;
  readonly #table: TokenTable;
  readonly #keepsLength: boolean;
  readonly #templateSource: string | undefined;
  #template: ChatTemplate | undefined;
  #plainEncoder: HuggingFaceTokenizer | undefined;

  /** @throws TokenizerError for files that are not those of a byte-level BPE tokenizer. */
  constructor(files: TokenizerFiles) {
    this.#files = requireObject(files.tokenizer, 'tokenizer.json');
    this.#config = requireObject(files.config, 'tokenizer_config.json');
    checkByteLevel(this.#files);
    this.#table = new TokenTable(this.#files);
    this.#encoder = makeEncoder(this.#files, this.#config);
    this.#keepsLength = keepsLength(this.#files);
    this.#templateSource = files.chatTemplate ?? findChatTemplate(this.#config);
  }

  /** Number of ids, holes included; a model's embedding may have more rows. */
  get vocabSize(): number {
    return this.#table.numIds;
  }

  /** Token ids of a text. Lone surrogates count as U+FFFD. */
  encode(text: string, options: EncodeOptions = {}): number[] {
    const { parseSpecial = true, addSpecial = false } = options;
    if (text === '' && !addSpecial) return [];
    const encoder = parseSpecial ? this.#encoder : this.#makePlainEncoder();
    return encoder.encode(text, { add_special_tokens: addSpecial }).ids;
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
    return this.#keepsLength ? Math.ceil(text.length / this.#table.tokenBytesMax) : 0;
  }

  /** Text of a sequence; special tokens have none. Invalid UTF-8 becomes U+FFFD. */
  decode(ids: readonly number[]): string {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const parts = ids
      .filter((id) => !this.isSpecial(id))
      .map((id) => decoder.decode(this.tokenBytes(id), { stream: true }));
    return parts.join('') + decoder.decode();
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

  #makePlainEncoder(): HuggingFaceTokenizer {
    const added = (this.#files.added_tokens ?? []) as { special?: unknown }[];
    const files = { ...this.#files, added_tokens: added.filter((token) => token.special !== true) };
    this.#plainEncoder ??= makeEncoder(files, this.#config);
    return this.#plainEncoder;
  }
}

function makeEncoder(files: Record<string, unknown>, config: Record<string, unknown>): HuggingFaceTokenizer {
  try {
    return new HuggingFaceTokenizer({ added_tokens: [], ...files }, config);
  } catch (error) {
    throw new TokenizerError('tokenizer.json', `is not supported (${(error as Error).message})`);
  }
}

function checkByteLevel(files: Record<string, unknown>): void {
  const modelType = typeOf(files.model);
  if (modelType !== 'BPE') throw new TokenizerError('tokenizer.json:model.type', `is ${modelType}, supported is BPE`);
  const decoderType = typeOf(files.decoder);
  if (decoderType !== 'ByteLevel') {
    throw new TokenizerError('tokenizer.json:decoder.type', `is ${decoderType}, supported is ByteLevel`);
  }
}

/** Whether no text has fewer bytes in its tokens than it has itself: no normaliser, and no token that eats spaces around it. */
function keepsLength(files: Record<string, unknown>): boolean {
  const added = (files.added_tokens ?? []) as { lstrip?: unknown; rstrip?: unknown }[];
  return files.normalizer == null && added.every((token) => token.lstrip !== true && token.rstrip !== true);
}

function typeOf(value: unknown): string {
  return String((value as { type?: unknown } | null | undefined)?.type);
}

function requireObject(value: unknown, file: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TokenizerError(file, 'must hold a JSON object');
}
