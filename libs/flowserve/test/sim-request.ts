// One request as the router and the two services would drive it over masters: place, prefill, hand-over, decode, and again
// from the prefill after a preemption. Advances only when the test says so.
import type { KvSource, StepToken } from '@switchyard/native';
import type {
  DpGroupMaster,
  Place,
  RunningSequence,
  SequenceEnd,
  SequenceRequest,
  SequenceSink,
} from '../src/index.js';
import { answerOf } from './model-rank.js';

export interface SimTarget {
  prefill: DpGroupMaster;
  decode: DpGroupMaster;
}

const sampling = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1n, logprobs: false, topLogprobs: 0 };
const identity = { requestId: 'request', jobId: '', taskId: '', tenant: 'default', cacheSalt: '' };

type Stage = 'new' | 'reserved' | 'prefilling' | 'held' | 'decoding' | 'ended';

export class SimRequest {
  stage: Stage = 'new';
  /** How it ended: the answer is right, an error code, or it was cancelled. */
  outcome: string | null = null;
  numPreemptions = 0;
  #tokens: number[];
  #place: Place | null = null;
  #running: RunningSequence | null = null;
  #heldId = 0n;

  constructor(
    private readonly target: SimTarget,
    readonly prompt: number[],
    readonly maxTokens: number,
    readonly stopTokenIds: number[],
    /** The right answer; that of a model rank by default. */
    readonly expected: number[] = answerOf(prompt, maxTokens, stopTokenIds),
  ) {
    this.#tokens = [...prompt];
  }

  /** Takes the next step if there is one to take. A full queue leaves it where it is. */
  advance(): void {
    try {
      if (this.stage === 'new') this.#reserve();
      else if (this.stage === 'reserved') this.#prefill();
      else if (this.stage === 'held') this.#decode();
    } catch (error) {
      const code = String(Reflect.get(error as object, 'code'));
      if (code === 'QUEUE_FULL') return;
      if (this.stage === 'held') this.target.prefill.dropHeld(this.#heldId);
      this.#end(code);
    }
  }

  cancel(): void {
    if (this.stage === 'ended') return;
    if (this.stage === 'held') this.target.prefill.dropHeld(this.#heldId);
    this.#running?.cancel();
    this.#end('cancelled');
  }

  #reserve(): void {
    this.#place = this.target.decode.reserve(this.prompt.length + this.maxTokens);
    this.stage = 'reserved';
  }

  #prefill(): void {
    const prefill = this.target.prefill.prefill(
      this.#request(),
      this.#sink((end) => this.#onPrefillEnd(end)),
    );
    this.#heldId = prefill.seqId;
    this.#running = prefill;
    this.stage = 'prefilling';
  }

  #onPrefillEnd(end: SequenceEnd): void {
    this.#running = null;
    if (end.kind === 'failed') {
      this.#end(end.error.code);
      return;
    }
    if (end.kind === 'preempted') throw new Error('a prefill was preempted');
    this.stage = 'held';
    if (!this.#isComplete()) return;
    this.target.prefill.dropHeld(this.#heldId);
    this.#end('right');
  }

  #decode(): void {
    const isColocated = this.target.prefill === this.target.decode;
    const heldId = this.#heldId;
    const { prefill } = this.target;
    const source = isColocated ? null : this.#sourceOf(heldId);
    const sink = this.#sink((end) => this.#onDecodeEnd(end));
    if (source !== null) {
      prefill.pinHeld(heldId);
      sink.onSourceDone = () => {
        prefill.unpinHeld(heldId);
        prefill.dropHeld(heldId);
      };
    }
    const request = {
      ...this.#request(),
      maxNewTokens: this.maxTokens - (this.#tokens.length - this.prompt.length),
      source,
      adopt: isColocated ? heldId : null,
    };
    try {
      this.#running = (this.#place as Place).start(request, sink);
    } catch (error) {
      if (source !== null) prefill.unpinHeld(heldId);
      throw error;
    }
    this.stage = 'decoding';
  }

  #request(): SequenceRequest {
    const tokens = { tokens: [...this.#tokens], numPromptTokens: this.prompt.length };
    return { identity, ...tokens, sampling, stopTokenIds: this.stopTokenIds, trace: null };
  }

  #sourceOf(heldId: bigint): KvSource {
    const { blocks, generations } = this.target.prefill.heldBlocks(heldId);
    const { blockBytes, layoutVersion } = this.target.prefill.info;
    const numTokens = this.#tokens.length - 1;
    const place = { rank: 0, epoch: 1n, regionOffset: 0n, generationOffset: 0n, blockBytes, layoutVersion };
    return { ...place, blocks, generations, numTokens };
  }

  #onDecodeEnd(end: SequenceEnd): void {
    this.#running = null;
    if (end.kind !== 'preempted') {
      this.#end(end.kind === 'failed' ? end.error.code : this.#isComplete() ? 'right' : 'short');
      return;
    }
    if (end.tokens.join() !== this.#tokens.join()) throw new Error('preempted with other tokens than were streamed');
    this.numPreemptions += 1;
    this.stage = 'reserved';
  }

  #sink(onEnd: (end: SequenceEnd) => void): SequenceSink {
    return { onTokens: (tokens) => this.#onTokens(tokens), onEnd, onSourceDone: () => {} };
  }

  #onTokens(tokens: StepToken[]): void {
    for (const { tokenId, position } of tokens) {
      const expected = this.expected[this.#tokens.length - this.prompt.length];
      if (position !== this.#tokens.length) throw new Error(`position ${position} after ${this.#tokens.length} tokens`);
      if (tokenId !== expected) throw new Error(`token ${tokenId} in place of ${expected}`);
      this.#tokens.push(tokenId);
    }
  }

  #isComplete(): boolean {
    return this.#tokens.length - this.prompt.length === this.expected.length;
  }

  #end(outcome: string): void {
    this.stage = 'ended';
    this.outcome = outcome;
    this.#place?.release();
  }
}
