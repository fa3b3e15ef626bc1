// The model's chat template: a conversation becomes the text the model was trained on. Used by Tokenizer.
// Templates come with the model and are trusted as its weights are; messages are data and never parsed as a template.
import { Template } from '@huggingface/jinja';
import { TokenizerError } from './error.js';

/** One turn of a conversation. */
export interface ChatMessage {
  /** "system", "user", "assistant" or "tool". */
  role: string;
  content: string;
}

/** What a template may be given besides the messages. */
export interface ChatOptions {
  /** Function definitions in OpenAI's form, for templates that know tools. */
  tools?: readonly Record<string, unknown>[];
  /** Ends with the opening of the assistant's turn; true by default. */
  addGenerationPrompt?: boolean;
}

/** A parsed template with the names of the model's special tokens. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: Record<string, string>;

  /** @param config Parsed tokenizer_config.json, for the texts of bos_token, eos_token and their like. */
  constructor(source: string, config: Record<string, unknown>) {
    try {
      this.#template = new Template(source);
    } catch (error) {
      throw new TokenizerError('chat_template', `cannot be parsed (${(error as Error).message})`);
    }
    this.#tokens = specialTokenTexts(config);
  }

  /** @throws TokenizerError when the template refuses the conversation. */
  render(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    const { tools, addGenerationPrompt = true } = options;
    try {
      return this.#template.render({
        ...this.#tokens,
        messages,
        ...(tools && { tools }),
        add_generation_prompt: addGenerationPrompt,
      });
    } catch (error) {
      throw new TokenizerError('messages', `are refused by the model's chat template (${(error as Error).message})`);
    }
  }
}

/** The template's source in tokenizer_config.json: a text, or a list of named ones of which "default" is taken. */
export function findChatTemplate(config: Record<string, unknown>): string | undefined {
  const value = config.chat_template;
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return undefined;
  const named: unknown = value.find((entry: { name?: unknown } | null) => entry?.name === 'default');
  const source = (named as { template?: unknown } | undefined)?.template;
  return typeof source === 'string' ? source : undefined;
}

/** Tokens stand as text or as {content}. */
function specialTokenTexts(config: Record<string, unknown>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'pad_token', 'unk_token']) {
    const value = config[name];
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
    if (typeof text === 'string') texts[name] = text;
  }
  return texts;
}
