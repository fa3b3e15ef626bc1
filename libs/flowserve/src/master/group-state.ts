// The state of one DP group: its pool, its sequences by state, and the steps that move one from state to state while keeping
// pool and plan in agreement. The scheduler decides which step to take; the master calls what events and requests ask for.
import { assert } from '@switchyard/base';
import { BlockPool, blocksForTokens } from '@switchyard/kvcache';
import type { GrowthState } from '@switchyard/scheduling';
import { PlanWriter, type PlanWriterOptions } from './plan-writer.js';
import type { Sequence } from './sequence.js';

export interface GroupStateOptions extends PlanWriterOptions {
  numBlocks: number;
  /** Positions a block. */
  blockTokens: number;
}

export class GroupState {
  readonly pool: BlockPool;
  readonly writer: PlanWriter;
  /** First come, first served. */
  readonly prefillQueue: Sequence[] = [];
  /** By order of arrival of their requests: one that was preempted goes before younger ones. */
  readonly decodeQueue: Sequence[] = [];
  /** In order of admission. */
  readonly running = new Map<bigint, Sequence>();
  readonly held = new Map<bigint, Sequence>();
  /** Steps the rank has run, as far as is known. */
  step = 0n;
  #afterAcknowledge: { planSeq: bigint; action: () => void }[] = [];

  constructor(options: GroupStateOptions) {
    this.pool = new BlockPool(options);
    this.writer = new PlanWriter(options);
  }

  /** Sends what was written as a plan. */
  flush(): void {
    this.writer.flush(this.step);
  }

  acknowledge(planSeq: bigint): void {
    this.writer.acknowledge(planSeq, this.step);
    this.pool.acknowledge(planSeq);
    const isDue = (entry: { planSeq: bigint }) => entry.planSeq <= planSeq;
    const due = this.#afterAcknowledge.filter(isDue);
    if (due.length === 0) return;
    this.#afterAcknowledge = this.#afterAcknowledge.filter((entry) => !isDue(entry));
    for (const { action } of due) action();
  }

  enqueueDecode(sequence: Sequence): void {
    const isYounger = (other: Sequence) => other.order > sequence.order;
    const idx = this.decodeQueue.findIndex(isYounger);
    this.decodeQueue.splice(idx === -1 ? this.decodeQueue.length : idx, 0, sequence);
  }

  *runningOf(kind: Sequence['kind']): Iterable<Sequence> {
    for (const sequence of this.running.values()) if (sequence.kind === kind) yield sequence;
  }

  numRunningOf(kind: Sequence['kind']): number {
    let count = 0;
    for (const _ of this.runningOf(kind)) count += 1;
    return count;
  }

  growthOf(sequence: Sequence): GrowthState {
    return {
      numTokens: sequence.tokens.length,
      maxTokens: sequence.maxTokens,
      numBlocks: this.pool.numBlocksOf(sequence.id),
    };
  }

  /** Blocks a queued decode sequence needs beyond those it would take over. */
  blocksToStart(sequence: Sequence): number {
    const numAdopted = sequence.request.adopt === null ? 0 : this.pool.numBlocksOf(sequence.request.adopt);
    return blocksForTokens(sequence.tokens.length, this.pool.blockTokens) - numAdopted;
  }

  /** The rank computes all tokens of a prompt, samples one more, and keeps the KV. */
  startPrefill(sequence: Sequence): void {
    const numBlocks = blocksForTokens(sequence.tokens.length, this.pool.blockTokens);
    const blocks = this.pool.allocate(sequence.id, numBlocks);
    assert(blocks !== null, `no ${numBlocks} blocks for prefill ${sequence.id}`);
    this.#add(sequence, blocks, 0, true);
  }

  startDecode(sequence: Sequence): void {
    const { adopt } = sequence.request;
    const numNewBlocks = this.blocksToStart(sequence);
    const adopted = adopt === null ? [] : this.#adoptBlocks(adopt, sequence.id);
    const blocks = this.pool.allocate(sequence.id, numNewBlocks);
    assert(blocks !== null, `no ${numNewBlocks} blocks for sequence ${sequence.id}`);
    this.#add(sequence, [...adopted, ...blocks], sequence.tokens.length - 1, false);
  }

  grant(sequence: Sequence, numBlocks: number): boolean {
    const blocks = this.pool.allocate(sequence.id, numBlocks);
    if (blocks === null) return false;
    this.writer.grant(sequence.id, blocks);
    sequence.lastPlanSeq = this.writer.nextPlanSeq;
    return true;
  }

  /** A prefill has its token: the rank keeps its KV until drop(). */
  hold(sequence: Sequence): void {
    sequence.moveTo('held');
    this.running.delete(sequence.id);
    this.held.set(sequence.id, sequence);
  }

  /** The rank has ended the sequence by itself; plans still on their way to it do nothing there. */
  finish(sequence: Sequence): void {
    this.#forget(sequence);
    this.pool.release(sequence.id, sequence.lastPlanSeq);
    sequence.endSource();
  }

  /** Takes a sequence away from wherever it is: out of the queue, or from the rank by plan. */
  remove(sequence: Sequence): void {
    if (sequence.state === 'queued') this.#dequeue(sequence);
    else this.#removeFromRank(sequence);
  }

  #removeFromRank(sequence: Sequence): void {
    this.#forget(sequence);
    this.writer.remove(sequence.id);
    const planSeq = this.writer.nextPlanSeq;
    this.pool.release(sequence.id, planSeq);
    // A pull in flight reads its source until the rank says that the removal is applied.
    if (sequence.readsSource) this.#afterAcknowledge.push({ planSeq, action: () => sequence.endSource() });
  }

  /** Frees a held prefill. Harmless when it is gone. */
  dropHeld(seqId: bigint): void {
    const sequence = this.held.get(seqId);
    if (sequence !== undefined) this.remove(sequence);
  }

  /** The rank is gone, and with it whoever read a KV source. */
  forgetRank(): void {
    for (const { action } of this.#afterAcknowledge) action();
    this.#afterAcknowledge = [];
  }

  #add(sequence: Sequence, blocks: number[], numComputed: number, hold: boolean): void {
    const { id: seqId, request } = sequence;
    const { identity, numPromptTokens, sampling, stopTokenIds, maxNewTokens, source, trace } = request;
    this.writer.add({
      identity,
      seqId,
      tokens: [...sequence.tokens],
      numPromptTokens,
      numComputed,
      blocks,
      source,
      sampling,
      maxNewTokens,
      stopTokenIds,
      hold,
      trace,
    });
    sequence.lastPlanSeq = this.writer.nextPlanSeq;
    sequence.moveTo('running');
    this.running.set(seqId, sequence);
  }

  /** Ends the held sequence in a plan before the one that adds its successor: a block never has two owners on the rank. */
  #adoptBlocks(heldId: bigint, seqId: bigint): number[] {
    const held = this.held.get(heldId);
    assert(held !== undefined, `sequence ${heldId} is not held`);
    this.#forget(held);
    this.writer.remove(heldId);
    this.flush();
    return this.pool.transfer(heldId, seqId);
  }

  #dequeue(sequence: Sequence): void {
    const queue = sequence.kind === 'prefill' ? this.prefillQueue : this.decodeQueue;
    const idx = queue.indexOf(sequence);
    assert(idx !== -1, `sequence ${sequence.id} is not in its queue`);
    queue.splice(idx, 1);
    sequence.moveTo('ended');
    sequence.endSource();
    if (sequence.request.adopt !== null) this.dropHeld(sequence.request.adopt);
  }

  #forget(sequence: Sequence): void {
    sequence.moveTo('ended');
    this.running.delete(sequence.id);
    this.held.delete(sequence.id);
  }
}
