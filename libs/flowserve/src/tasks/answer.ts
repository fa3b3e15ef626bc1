// One run of a decode sequence on its way out: tokens pass the output stage as they come, and the stream takes those of a step together,
// of several steps only when it is slow. Sink of the master on one side, awaited by the decode stream on the other.
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

const maxQueuedDeltas = 64;

export class Answer implements SequenceSink {
  readonly #options: AnswerOptions;
  readonly #deltas: OutputDelta[] = [];
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
    const deltas: OutputDelta[] = [];
    for (const token of tokens) {
      if (this.isComplete) break;
      deltas.push(this.#options.output.push(token.tokenId, this.#options.logprobs ? token : undefined));
    }
    const [first, ...others] = deltas;
    if (first === undefined) return;
    for (const delta of others) extend(first, delta);
    this.#append(first);
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
    while (this.#deltas.length === 0 && this.#end === null) await this.#wait(signal);
    const delta = this.#deltas.shift();
    if (delta !== undefined) return { kind: 'delta', delta };
    return this.#end as Exclude<SequenceEnd, { kind: 'finished' }>;
  }

  /** A delta for each step while the stream keeps up; what it is behind by more goes into the last one. */
  #append(delta: OutputDelta): void {
    const last = this.#deltas.at(-1);
    if (last === undefined || this.#deltas.length < maxQueuedDeltas) this.#deltas.push(delta);
    else extend(last, delta);
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

function extend(delta: OutputDelta, next: OutputDelta): void {
  delta.text += next.text;
  delta.tokenIds.push(...next.tokenIds);
  delta.logprobs.push(...next.logprobs);
  delta.finishReason = next.finishReason;
}
