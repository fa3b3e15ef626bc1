// One scheduling turn of a DP group: grants first, then room for those that starve, then newcomers. Runs after every batch of
// events and every request; applies the policies of libs/scheduling to a GroupState.
import { blocksForTokens } from '@switchyard/kvcache';
import {
  admitDecodes,
  admitPrefills,
  blocksLacking,
  blocksToGrantAhead,
  blocksToReserve,
  chooseVictim,
} from '@switchyard/scheduling';
import type { GroupState } from './group-state.js';
import type { Sequence } from './sequence.js';

export interface SchedulerOptions {
  maxBatchSize: number;
  maxPrefillTokens: number;
  /** Of a decoding sequence: one, and as many as the rank drafts. */
  tokensPerStepMax: number;
  /** Tells a sequence's owner that it lost its blocks; the sequence is removed already. */
  onPreempted: (sequence: Sequence) => void;
}

export class Scheduler {
  constructor(
    private readonly group: GroupState,
    private readonly options: SchedulerOptions,
  ) {}

  turn(): void {
    if (!this.#grantLacking()) {
      this.#makeRoom();
      return;
    }
    this.#grantAhead();
    this.#admitDecodes();
    // Sequences that wait for blocks go before new prompts, which would take the blocks they wait for.
    if (this.#headLacksBlocks()) {
      if (this.group.running.size === 0) this.#makeRoom();
      return;
    }
    this.#admitPrefills();
  }

  /** Grants what running sequences need for their next step, oldest first. False when the pool has run out. */
  #grantLacking(): boolean {
    const { group } = this;
    const lacking = [...group.runningOf('decode')].filter(
      (sequence) => blocksLacking(group.growthOf(sequence), group.pool.blockTokens) > 0,
    );
    lacking.sort((a, b) => a.order - b.order);
    return lacking.every((sequence) =>
      group.grant(sequence, blocksLacking(group.growthOf(sequence), group.pool.blockTokens)),
    );
  }

  /** Grants ahead of need while each running sequence could still get a block after it. */
  #grantAhead(): void {
    const { group } = this;
    const { roundTripSteps } = group.writer;
    const { tokensPerStepMax } = this.options;
    const isCrowded = group.decodeQueue.length + group.prefillQueue.length > 0;
    const policy = { roundTripSteps, tokensPerStepMax, isCrowded };
    const numKept = group.numRunningOf('decode');
    for (const sequence of group.runningOf('decode')) {
      const numWanted = blocksToGrantAhead(group.growthOf(sequence), group.pool.blockTokens, policy);
      const numBlocks = Math.min(numWanted, group.pool.numFree - numKept);
      if (numBlocks > 0) group.grant(sequence, numBlocks);
    }
  }

  /**
   * Preempts the youngest decode sequence that holds blocks, unless blocks are on their way back already. A single one is left
   * alone: what it waits for is held by prefills, which end, or by handles, which are claimed or expire.
   */
  #makeRoom(): void {
    const { group } = this;
    if (group.pool.numPending > 0) return;
    const candidates = [...group.runningOf('decode'), ...group.decodeQueue].map((sequence) => ({
      sequence,
      order: sequence.order,
      numBlocks: this.#numBlocksHeld(sequence),
    }));
    const numHolders = candidates.filter((candidate) => candidate.numBlocks > 0).length;
    const victim = chooseVictim(candidates)?.sequence;
    if (victim === undefined || numHolders < 2) return;
    group.remove(victim);
    this.options.onPreempted(victim);
  }

  #numBlocksHeld(sequence: Sequence): number {
    const owner = sequence.state === 'queued' ? sequence.request.adopt : sequence.id;
    return owner === null ? 0 : this.group.pool.numBlocksOf(owner);
  }

  #reserve(): number {
    const { group } = this;
    let numReserved = 0;
    for (const sequence of group.runningOf('decode')) {
      numReserved += blocksToReserve(group.growthOf(sequence), group.pool.blockTokens);
    }
    return numReserved;
  }

  #decodePlaces(): number {
    return this.options.maxBatchSize - this.group.numRunningOf('decode');
  }

  #admitDecodes(): void {
    const { group } = this;
    const queue = group.decodeQueue.map((sequence) => this.#decodeCandidate(sequence));
    const numAdmitted = admitDecodes(queue, {
      numFreeBlocks: group.pool.numFree,
      numReservedBlocks: this.#reserve(),
      numFreePlaces: this.#decodePlaces(),
    });
    for (const sequence of group.decodeQueue.splice(0, numAdmitted)) group.startDecode(sequence);
  }

  #decodeCandidate(sequence: Sequence): { numNewBlocks: number; numGrowthBlocks: number } {
    const numNewBlocks = this.group.blocksToStart(sequence);
    const numAtEnd = blocksForTokens(sequence.maxTokens - 1, this.group.pool.blockTokens);
    const numAtStart = blocksForTokens(sequence.tokens.length, this.group.pool.blockTokens);
    return { numNewBlocks, numGrowthBlocks: numAtEnd - numAtStart };
  }

  #headLacksBlocks(): boolean {
    return this.group.decodeQueue.length > 0 && this.#decodePlaces() > 0;
  }

  #admitPrefills(): void {
    const { group, options } = this;
    if (group.prefillQueue.length === 0) return;
    const outstanding = [...group.runningOf('prefill')];
    const queue = group.prefillQueue.map(({ tokens }) => ({
      numTokens: tokens.length,
      numBlocks: blocksForTokens(tokens.length, group.pool.blockTokens),
    }));
    const numAdmitted = admitPrefills(queue, {
      numFreeBlocks: group.pool.numFree,
      numReservedBlocks: this.#reserve(),
      numFreePlaces: options.maxBatchSize - outstanding.length,
      numOutstandingTokens: outstanding.reduce((sum, { tokens }) => sum + tokens.length, 0),
      maxPrefillTokens: options.maxPrefillTokens,
    });
    for (const sequence of group.prefillQueue.splice(0, numAdmitted)) group.startPrefill(sequence);
  }
}
