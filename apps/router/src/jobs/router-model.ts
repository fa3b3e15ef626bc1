// What the router knows of the model it offers: names, limits, tokenisation. Made by wiring.ts from the opened model
// directory; the router never touches weights.
import type { ChatTurn } from './request.js';

export interface RouterModel {
  /** Name to ask for. */
  name: string;
  /** Hex digest of configuration and weights; only TEs with the same one are used. */
  digest: string;
  /** Prompt and answer together, in tokens. */
  contextTokens: number;
  vocabSize: number;
  stopTokenIds: number[];
  samplingDefaults: { temperature: number; topP: number; topK: number; minP: number };
  encodeText(text: string): number[];
  /** Renders the chat template with the prefix of the assistant's answer and encodes it. */
  encodeChat(messages: ChatTurn[]): number[];
}
