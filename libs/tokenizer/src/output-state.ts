// The output stage of one sequence: token ids in, text that can no longer change out (protocols.md, D1 "Output").
// Runs where tokens leave: prefill passes the first token through one, decode replays it through its own and goes on.
// Depends on the tokens alone, so the same tokens give the same deltas wherever and in whatever pieces they arrive.
import { assert } from '@switchyard/base';
import { StopMatcher } from './stop-matcher.js';

/** What the output stage needs of a tokenizer. */
export interface TokenText {
  tokenBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
}

/** Log-probability of a token as the executor reports it; a StepToken of libs/native is one. */
export interface SampledLogprob {
  logprob: number;
  /** The best alternatives, best first, and their log-probabilities. */
  topTokenIds: readonly number[];
  topLogprobs: readonly number[];
}

/** One alternative at a position. */
export interface TopLogprob {
  tokenId: number;
  logprob: number;
  tokenBytes: Uint8Array;
}

/** Log-probability of a token, with the bytes of its text. */
export interface TokenLogprob extends TopLogprob {
  top: TopLogprob[];
}

export type OutputFinishReason = 'stop' | 'length';

/** What one token adds to the answer. */
export interface OutputDelta {
  /** Text to append; empty while half a character or the beginning of a stop string is held back. */
  text: string;
  /** The token, also when its text is held back or it is the stop token; empty for tokens after the end. */
  tokenIds: number[];
  /** One for each of tokenIds, if logprobs came in. */
  logprobs: TokenLogprob[];
  /** Set on the last delta only. */
  finishReason: OutputFinishReason | null;
}

export interface OutputOptions {
  tokenizer: TokenText;
  /** Ids that end the answer; their text is not part of it. */
  stopTokenIds: readonly number[];
  /** Strings that end the answer and are not part of it; none empty. */
  stopStrings: readonly string[];
  /** Tokens of the answer at most, at least 1. */
  maxTokens: number;
  /** Tokens that the model's context leaves for the answer. */
  contextLeft: number;
}

export class OutputState {
  readonly #tokenizer: TokenText;
  readonly #stopTokenIds: ReadonlySet<number>;
  readonly #numTokensMax: number;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  readonly #matcher: StopMatcher;
  #numTokens = 0;
  #finishReason: OutputFinishReason | null = null;

  constructor(options: OutputOptions) {
    assert(!options.stopStrings.includes(''), 'stop strings are not empty');
    this.#tokenizer = options.tokenizer;
    this.#stopTokenIds = new Set(options.stopTokenIds);
    this.#numTokensMax = Math.min(options.maxTokens, options.contextLeft);
    assert(this.#numTokensMax >= 1, 'an answer has room for one token');
    this.#matcher = new StopMatcher(options.stopStrings);
  }

  /** Tokens of the answer so far, the one that ended it included: what is billed. */
  get numTokens(): number {
    return this.#numTokens;
  }

  /** Why the answer ended; null while it goes on. */
  get finishReason(): OutputFinishReason | null {
    return this.#finishReason;
  }

  /**
   * Takes the next token. After the end tokens are overshoot of the loop: they are ignored and give an empty delta.
   *
   * @param logprob Given when the request asked for log-probabilities.
   */
  push(tokenId: number, logprob?: SampledLogprob): OutputDelta {
    if (this.#finishReason !== null) return { text: '', tokenIds: [], logprobs: [], finishReason: null };
    this.#numTokens++;
    const text = this.#pushText(tokenId);
    const logprobs = logprob ? [this.#toLogprob(tokenId, logprob)] : [];
    return { text, tokenIds: [tokenId], logprobs, finishReason: this.#finishReason };
  }

  /** Text that the token sets free; sets the finish reason. */
  #pushText(tokenId: number): string {
    if (this.#stopTokenIds.has(tokenId)) return this.#finish('stop', '');
    const decoded = this.#tokenizer.isSpecial(tokenId)
      ? ''
      : this.#decoder.decode(this.#tokenizer.tokenBytes(tokenId), { stream: true });
    const { text, stopped } = this.#matcher.feed(decoded);
    if (stopped) {
      this.#finishReason = 'stop';
      return text;
    }
    return this.#numTokens >= this.#numTokensMax ? this.#finish('length', text) : text;
  }

  /** Sets free what is held back: half a character as U+FFFD, then the beginning of a stop string that did not come. */
  #finish(reason: OutputFinishReason, text: string): string {
    const tail = this.#matcher.feed(this.#decoder.decode());
    this.#finishReason = tail.stopped ? 'stop' : reason;
    return text + tail.text + (tail.stopped ? '' : this.#matcher.flush());
  }

  #toLogprob(tokenId: number, sampled: SampledLogprob): TokenLogprob {
    const top = sampled.topTokenIds.map((id, i) => this.#toTop(id, sampled.topLogprobs[i] as number));
    return { ...this.#toTop(tokenId, sampled.logprob), top };
  }

  #toTop(tokenId: number, logprob: number): TopLogprob {
    return { tokenId, logprob, tokenBytes: this.#tokenizer.tokenBytes(tokenId) };
  }
}
