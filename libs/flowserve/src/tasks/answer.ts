// One run of a decode sequence on its way out: tokens pass the output stage as they come, and the stream takes what has
// gathered since it last asked. Sink of the master on one side, awaited by the decode stream on the other.
import { ServiceError } from '@switchyard/kit';
import type { StepToken } from '@switchyard/native';
import type { OutputDelta, OutputState } from '@switchyard/tokenizer';
import type { SequenceEnd, SequenceSink } from '../master/sequence.js';

export type AnswerEvent = { kind: 'delta'; delta: OutputDelta } | Exclude<SequenceEnd, { kind: 'finished' }>;

export interface AnswerOptions {
  output: OutputState;
  logprobs: boolean;
  onSourceDone: () => void;
}

export class Answer implements SequenceSink {
  readonly #options: AnswerOptions;
  /** Merged while the stream is busy, so it is bounded by the answer. */
  #delta: OutputDelta | null = null;
  #end: Exclude<SequenceEnd, { kind: 'finished' }> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: AnswerOptions) {
    this.#options = options;
  }

  /** The answer is complete: further tokens are overshoot, not streamed and not billed. */
  get isComplete(): boolean {
    return this.#options.output.finishReason !== null;
  }

  onTokens(tokens: StepToken[]): void {
    for (const token of tokens) {
      if (this.isComplete) return;
      this.#append(this.#options.output.push(token.tokenId, this.#options.logprobs ? token : undefined));
    }
    this.#wake?.();
  }

  onEnd(end: SequenceEnd): void {
    if (this.isComplete) return;
    this.#end =
      end.kind === 'finished'
        ? {
            kind: 'failed',
            error: new ServiceError('INTERNAL', `the rank ended an answer (${end.reason}) that goes on`),
          }
        : end;
    this.#wake?.();
  }

  onSourceDone(): void {
    this.#options.onSourceDone();
  }

  /** What comes next: text before an end. Rejects with the signal's reason. */
  async next(signal: AbortSignal): Promise<AnswerEvent> {
    while (this.#delta === null && this.#end === null) await this.#wait(signal);
    const delta = this.#delta;
    this.#delta = null;
    if (delta !== null) return { kind: 'delta', delta };
    return this.#end as Exclude<SequenceEnd, { kind: 'finished' }>;
  }

  #append(delta: OutputDelta): void {
    if (this.#delta === null) {
      this.#delta = delta;
      return;
    }
    this.#delta.text += delta.text;
    this.#delta.tokenIds.push(...delta.tokenIds);
    this.#delta.logprobs.push(...delta.logprobs);
    this.#delta.finishReason = delta.finishReason;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#wake = null;
        reject(signal.reason);
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#wake = () => {
        this.#wake = null;
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
    });
  }
}
