// One sequence as its master sees it, from the queue to its end, and what the master tells those who asked for it.
// Data with the few transitions that are allowed; the master alone changes it.
import { assert } from '@switchyard/base';
import type { ServiceError } from '@switchyard/kit';
import type { KvSource, SamplingSpec, StepToken, TraceRef } from '@switchyard/native';
import type { Identity } from '../executor/executor.js';

/** What both kinds of sequence need. */
export interface SequenceRequest {
  identity: Identity;
  /** Prompt and the tokens generated so far. */
  tokens: number[];
  /** How many of `tokens` are the prompt; preemptions do not change it. */
  numPromptTokens: number;
  sampling: SamplingSpec;
  stopTokenIds: number[];
  trace: TraceRef | null;
}

export interface DecodeRequest extends SequenceRequest {
  /** Tokens it may still generate. */
  maxNewTokens: number;
  /** KV of all tokens but the last, at another rank; exclusive with `adopt`. */
  source: KvSource | null;
  /** A finished prefill of this master whose blocks it takes over without a copy (colocated). */
  adopt: bigint | null;
}

export type SequenceEnd =
  | { kind: 'finished'; reason: 'stop' | 'length' }
  /** It lost its blocks: `tokens` is everything so far, to be prefilled again. */
  | { kind: 'preempted'; tokens: number[] }
  | { kind: 'failed'; error: ServiceError };

/** Called from within the master; must not throw. */
export interface SequenceSink {
  onTokens(tokens: StepToken[]): void;
  /** Exactly once, unless the sequence was cancelled; nothing is called after it but onSourceDone. */
  onEnd(end: SequenceEnd): void;
  /** The rank no longer reads `source`, whether it has read it or not: its claim can be released. Exactly once. */
  onSourceDone(): void;
}

/**
 * queued: waits for blocks. running: the rank has it, or a plan on its way there. held: a finished prefill whose KV waits to be
 * claimed. ended: its blocks are released or have another owner.
 */
export type SequenceState = 'queued' | 'running' | 'held' | 'ended';

const transitions: Record<SequenceState, readonly SequenceState[]> = {
  queued: ['running', 'ended'],
  running: ['held', 'ended'],
  held: ['ended'],
  ended: [],
};

export class Sequence {
  readonly tokens: number[];
  readonly maxTokens: number;
  /** Last plan that names it. */
  lastPlanSeq = 0n;
  #state: SequenceState = 'queued';
  #isSourceDone: boolean;

  constructor(
    readonly id: bigint,
    /** Order of arrival of its request; kept through preemptions. */
    readonly order: number,
    readonly kind: 'prefill' | 'decode',
    readonly request: DecodeRequest,
    readonly sink: SequenceSink,
  ) {
    const { numPromptTokens, tokens } = request;
    assert(
      numPromptTokens >= 1 && numPromptTokens <= tokens.length,
      `${numPromptTokens} prompt tokens of ${tokens.length}`,
    );
    this.tokens = [...tokens];
    this.maxTokens = tokens.length + request.maxNewTokens;
    this.#isSourceDone = request.source === null;
  }

  get state(): SequenceState {
    return this.#state;
  }

  moveTo(state: SequenceState): void {
    assert(transitions[this.#state].includes(state), `sequence ${this.id}: ${this.#state} to ${state}`);
    this.#state = state;
  }

  /** Whether the rank may still read the KV source. */
  get readsSource(): boolean {
    return !this.#isSourceDone;
  }

  endSource(): void {
    if (this.#isSourceDone) return;
    this.#isSourceDone = true;
    this.sink.onSourceDone();
  }
}
