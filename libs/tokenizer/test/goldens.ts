// Tokenizers in the forms of published models, with what Hugging Face's Rust tokenizers make of texts (tools/golden/tokenizer_fixtures.py).
import { readdirSync, readFileSync } from 'node:fs';
import type { ChatMessage, TokenizerFiles } from '../src/index.js';

const root = new URL('../../../test/fixtures/models/tokenizers/', import.meta.url);

export interface GoldenText {
  text: string;
  ids: number[];
  /** What decoding the ids gives, where that is not the text. */
  text_back?: string;
  /** The same without special tokens, where that differs. */
  text_clean?: string;
}

export interface GoldenChat {
  messages: ChatMessage[];
  tools?: Record<string, unknown>[];
  add_generation_prompt: boolean;
  text?: string;
  /** What the template says when it refuses the messages. */
  error?: string;
}

export interface Golden {
  texts: GoldenText[];
  with_bos: { text: string; ids: number[] }[];
  decoded: { ids: number[]; text: string }[];
  chats?: GoldenChat[];
}

/** Names of the fixtures. */
export const goldenNames = readdirSync(root);

function readJson(name: string, file: string): unknown {
  return JSON.parse(readFileSync(new URL(`${name}/${file}`, root), 'utf8'));
}

export function readGolden(name: string): { golden: Golden; files: TokenizerFiles } {
  const files = { tokenizer: readJson(name, 'tokenizer.json'), config: readJson(name, 'tokenizer_config.json') };
  return { golden: readJson(name, 'golden.json') as Golden, files };
}
