// Chat templates in the manner of every family, against transformers (tools/golden/chat_fixtures.py).
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type ChatMessage, Tokenizer, TokenizerError } from '../src/index.js';
import { tinyFiles } from './tiny.js';

interface Conversation {
  messages: ChatMessage[];
  tools?: Record<string, unknown>[];
  variables?: Record<string, unknown>;
}

interface Chat {
  conversation: number;
  add_generation_prompt: boolean;
  /** Absent where the template or Jinja refuses the messages. */
  text?: string;
}

interface Golden {
  bos_token: string;
  eos_token: string;
  conversations: Conversation[];
  families: Record<string, { template: string; chats: Chat[] }>;
}

const golden = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/models/chats/golden.json', import.meta.url), 'utf8'),
) as Golden;

afterEach(() => {
  vi.useRealTimers();
});

function withTemplate(chatTemplate: string): Tokenizer {
  const { bos_token, eos_token } = golden;
  return Tokenizer.of({ tokenizer: tinyFiles().tokenizer, config: { bos_token, eos_token }, chatTemplate });
}

describe.each(Object.entries(golden.families))('the template of %s', (_, { template, chats }) => {
  const tokenizer = withTemplate(template);

  test.each(chats)('renders conversation $conversation, prompt $add_generation_prompt, as transformers', (chat) => {
    const { messages, tools, variables } = golden.conversations[chat.conversation] as Conversation;
    const render = () =>
      tokenizer.renderChat(messages, {
        ...(tools && { tools }),
        ...(variables && { variables }),
        addGenerationPrompt: chat.add_generation_prompt,
      });
    if (chat.text !== undefined) expect(render()).toBe(chat.text);
    else expect(render).toThrow(TokenizerError);
  });
});

test('a template may ask for the date', () => {
  vi.useFakeTimers({ now: new Date(2024, 6, 26, 9, 5) });
  expect(withTemplate('{{ strftime_now("%d %b %Y, %d %B, %Y-%m-%d %H:%M") }}').renderChat([])).toBe(
    '26 Jul 2024, 26 July, 2024-07-26 09:05',
  );
});
