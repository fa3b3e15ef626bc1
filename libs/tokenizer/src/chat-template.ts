// The model's chat template: a conversation becomes the text the model was trained on. Used by Tokenizer.
// Templates come with the model and are trusted as its weights are; messages are data and never parsed as a template.
import { Template } from '@huggingface/jinja';
import { TokenizerError } from './error.js';
import { redirectStripCalls, stripFunctions } from './strip-calls.js';

/** One turn of a conversation. */
export interface ChatMessage {
  /** "system", "user", "assistant" or "tool". */
  role: string;
  /** Parts ({type: "text", text}) and null only for templates that know them. */
  content: string | readonly Record<string, unknown>[] | null;
  /** Calls of an assistant, in OpenAI's form. Most templates take `arguments` as an object, some as a text. */
  tool_calls?: readonly Record<string, unknown>[];
  /** Of a tool: the call that it answers. */
  tool_call_id?: string;
  /** Of a tool or another speaker. */
  name?: string;
  /** What an assistant thought before it answered. */
  reasoning_content?: string;
}

/** What a template may be given besides the messages. */
export interface ChatOptions {
  /** Function definitions in OpenAI's form, for templates that know tools. */
  tools?: readonly Record<string, unknown>[];
  /** Ends with the opening of the assistant's turn; true by default. */
  addGenerationPrompt?: boolean;
  /** Variables of the template's own, such as `enable_thinking`. */
  variables?: Record<string, unknown>;
}

/** A parsed template with the names of the model's special tokens. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #tokens: Readonly<Record<string, string>>;

  /** @param tokens Texts of bos_token, eos_token and their like. */
  constructor(source: string, tokens: Readonly<Record<string, string>>) {
    try {
      this.#template = new Template(source);
      redirectStripCalls(this.#template.parsed);
    } catch (error) {
      throw new TokenizerError('chat_template', `cannot be parsed (${(error as Error).message})`);
    }
    this.#tokens = tokens;
  }

  /** @throws TokenizerError when the template refuses the conversation. */
  render(messages: readonly ChatMessage[], options: ChatOptions = {}): string {
    const { tools, addGenerationPrompt = true, variables } = options;
    try {
      return this.#template.render({
        ...stripFunctions,
        ...this.#tokens,
        ...variables,
        messages,
        // As transformers has them: defined, and none where there are none.
        tools: tools ?? null,
        documents: null,
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

/**
 * Every field that names a token, such as "bos_token". Tokens stand as text or as {content}.
 *
 * @param config Parsed tokenizer_config.json.
 */
export function specialTokenTexts(config: Record<string, unknown>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const [name, value] of Object.entries(config)) {
    const text = typeof value === 'string' ? value : (value as { content?: unknown } | null | undefined)?.content;
    if (name.endsWith('_token') && typeof text === 'string') texts[name] = text;
  }
  return texts;
}
