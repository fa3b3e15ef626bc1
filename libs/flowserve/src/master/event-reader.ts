// Reads one step event of a rank into the group's state and tells the sequences concerned. Called by the master, which
// handles faults itself. A rank is trusted with bytes, not with the order of tokens: that is checked.
import { ServiceError } from '@switchyard/kit';
import type { StepEvent, StepToken } from '@switchyard/native';
import type { GroupState } from './group-state.js';
import type { Sequence, SequenceEnd } from './sequence.js';

export class EventReader {
  numTokens = 0;

  constructor(
    private readonly group: GroupState,
    private readonly ended: (sequence: Sequence, end: SequenceEnd) => void,
  ) {}

  read(event: StepEvent): void {
    if (event.step > this.group.step) this.group.step = event.step;
    this.group.acknowledge(event.appliedPlanSeq);
    for (const seqId of event.pulled) this.group.running.get(seqId)?.endSource();
    for (const tokens of runsOf(event.tokens)) this.#readTokens(tokens);
    for (const { seqId, reason } of event.finished) this.#readFinished(seqId, reason);
    for (const { seqId, code, message } of event.failed) {
      this.#readFailed(seqId, new ServiceError(code, `sequence ${seqId}: ${message}`));
    }
  }

  /** @param tokens Of one sequence: one, and those of its drafts that the step accepted. */
  #readTokens(tokens: StepToken[]): void {
    const [{ seqId, position }] = tokens as [StepToken];
    // One that was removed may still have run while the removal was on its way.
    const sequence = this.group.running.get(seqId);
    if (sequence === undefined) return;
    const expected = sequence.tokens.length;
    if (tokens.some((token, i) => token.position !== expected + i)) {
      const text = `${tokens.length} tokens from position ${position} in place of ${expected}`;
      this.group.remove(sequence);
      this.ended(sequence, { kind: 'failed', error: new ServiceError('CORRUPT', text) });
      return;
    }
    sequence.tokens.push(...tokens.map(({ tokenId }) => tokenId));
    this.numTokens += tokens.length;
    sequence.sink.onTokens(tokens);
  }

  #readFinished(seqId: bigint, reason: 'stop' | 'length'): void {
    const sequence = this.group.running.get(seqId);
    if (sequence === undefined) return;
    if (sequence.kind === 'prefill') this.group.hold(sequence);
    else this.group.finish(sequence);
    this.ended(sequence, { kind: 'finished', reason });
  }

  #readFailed(seqId: bigint, error: ServiceError): void {
    const sequence = this.group.running.get(seqId);
    if (sequence === undefined) return;
    this.group.finish(sequence);
    this.ended(sequence, { kind: 'failed', error });
  }
}

/** Neighbouring tokens of one sequence together; a rank tells those of a step side by side. */
function runsOf(tokens: readonly StepToken[]): StepToken[][] {
  const runs: StepToken[][] = [];
  for (const token of tokens) {
    const last = runs.at(-1);
    if (last !== undefined && last[0]?.seqId === token.seqId) last.push(token);
    else runs.push([token]);
  }
  return runs;
}
