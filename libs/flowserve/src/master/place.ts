// A place in a DP group's queue (D1.1): held from before the prefill until the answer ends, through preemptions.
// Handed out by the master; the decode service holds one for each stream.
import { assert } from '@switchyard/base';
import type { DecodeRequest, SequenceSink } from './sequence.js';

export interface PlaceOwner {
  startDecode(place: Place, request: DecodeRequest, sink: SequenceSink): RunningSequence;
  releasePlace(place: Place): void;
}

export interface RunningSequence {
  /** Ends it without a further call of its sink but onSourceDone. Harmless when it has ended. */
  cancel(): void;
}

export class Place {
  #current: RunningSequence | null = null;
  #isReleased = false;

  constructor(
    private readonly owner: PlaceOwner,
    /** Order of arrival: the youngest are preempted first. */
    readonly order: number,
    /** Tokens the sequence can have at most, prompt and answer. */
    readonly maxTokens: number,
    /** Places ahead that wait as well. */
    readonly numAhead: number,
  ) {}

  /** Queues the sequence; the one before it, if any, must have ended. Throws MEMBER_UNAVAILABLE when the group cannot run. */
  start(request: DecodeRequest, sink: SequenceSink): RunningSequence {
    assert(!this.#isReleased, 'the place was released');
    this.#current = this.owner.startDecode(this, request, sink);
    return this.#current;
  }

  /** Cancels what runs and gives the place up. Harmless when repeated. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#current?.cancel();
    this.owner.releasePlace(this);
  }
}
