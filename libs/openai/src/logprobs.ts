// Log-probabilities in the two formats of OpenAI's API: chat's list of tokens and the older completions' parallel lists.
import type { AnswerLogprob, AnswerTopLogprob } from './answer.js';

/** What the API says for a probability of zero; JSON has no infinity. */
const LOGPROB_MIN = -9999;

/** One token in chat's format. */
export interface ChatTopLogprobBody {
  token: string;
  logprob: number;
  bytes: number[];
}

export interface ChatLogprobBody extends ChatTopLogprobBody {
  top_logprobs: ChatTopLogprobBody[];
}

export interface ChatLogprobsBody {
  content: ChatLogprobBody[];
  refusal: null;
}

export interface TextLogprobsBody {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  /** Where each token begins in the answer, in UTF-16 units. */
  text_offset: number[];
}

export function chatLogprobs(logprobs: readonly AnswerLogprob[]): ChatLogprobsBody {
  const content = logprobs.map((entry) => ({ ...chatTop(entry), top_logprobs: entry.top.map(chatTop) }));
  return { content, refusal: null };
}

/** Writes the older format piece by piece; one for each choice, since offsets run on from piece to piece. */
export class TextLogprobsWriter {
  #textOffset = 0;

  write(logprobs: readonly AnswerLogprob[]): TextLogprobsBody {
    const body: TextLogprobsBody = { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
    for (const entry of logprobs) {
      const token = tokenText(entry.tokenBytes, 'bytes:');
      body.tokens.push(token);
      body.token_logprobs.push(finite(entry.logprob));
      body.top_logprobs.push(
        Object.fromEntries(entry.top.map((top) => [tokenText(top.tokenBytes, 'bytes:'), finite(top.logprob)])),
      );
      body.text_offset.push(this.#textOffset);
      this.#textOffset += token.length;
    }
    return body;
  }
}

function chatTop(entry: AnswerTopLogprob): ChatTopLogprobBody {
  return { token: tokenText(entry.tokenBytes, ''), logprob: finite(entry.logprob), bytes: [...entry.tokenBytes] };
}

/** Text of a token; one that is no whole UTF-8 is written in escapes, as OpenAI does, so that different tokens differ. */
function tokenText(bytes: Uint8Array, escapePrefix: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const escapes = [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`);
    return escapePrefix + escapes.join('');
  }
}

function finite(logprob: number): number {
  return Math.max(logprob, LOGPROB_MIN);
}
