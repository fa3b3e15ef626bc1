// What the router knows of a model it offers: names, limits, tokenisation. Made by wiring.ts from the opened model
// directory; the router never touches weights.
import type { ChatTurn } from '@switchyard/openai';

export interface RouterModel {
  /** Name to ask for. */
  name: string;
  /** Hex digest of configuration, tokenizer and tensor shapes; only TEs with the same one are used. */
  digest: string;
  /** Prompt and answer together, in tokens. */
  contextTokens: number;
  vocabSize: number;
  stopTokenIds: number[];
  samplingDefaults: { temperature: number; topP: number; topK: number; minP: number };
  /** `field` names the input in errors: CONTEXT_LENGTH_EXCEEDED for a text that is far too long. */
  encodeText(text: string, field: string): number[];
  /** Renders the chat template, up to the opening of the assistant's turn, and encodes it; INVALID_ARGUMENT when it refuses. */
  encodeChat(messages: ChatTurn[], field: string): number[];
}
