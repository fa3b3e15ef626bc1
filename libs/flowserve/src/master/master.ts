// The master of one DP group (D3): sole allocator of its blocks, sole scheduler of its executor. The prefill and decode
// services ask it for work and are told by sinks; it never waits, and what it holds is bounded. It knows no wire type.
import { assert } from '@switchyard/base';
import { ServiceError } from '@switchyard/kit';
import { blocksForTokens } from '@switchyard/kvcache';
import type { StepEvent } from '@switchyard/native';
import type { DpGroupLoad } from '@switchyard/scheduling';
import type { Clock } from '../clock.js';
import type { Executor, Readiness } from '../executor/executor.js';
import { EventReader } from './event-reader.js';
import { GroupState } from './group-state.js';
import { Place, type PlaceOwner, type RunningSequence } from './place.js';
import { Scheduler } from './scheduler.js';
import { type DecodeRequest, Sequence, type SequenceEnd, type SequenceRequest, type SequenceSink } from './sequence.js';

export interface MasterOptions {
  /** For logs and metrics, for example "decode-0/dp1". */
  name: string;
  epoch: bigint;
  executor: Executor;
  clock: Clock;
  /** Sequences that decode at once, and prompts that prefill at once. */
  maxBatchSize: number;
  /** Requests that wait beyond those that run, prefills and decodes each. */
  maxQueue: number;
  /** Prefill rows a step. */
  maxPrefillTokens: number;
  /** An unacknowledged plan is this old at most before the executor counts as lost, in ms. */
  ackTimeoutMs: number;
  /** Member behind an XCCL rank, for errors that name it. */
  memberOfRank: (rank: number) => string;
  /** Sequences can run now, or no longer: see obstacle. */
  onReadiness: () => void;
  /** The group cannot go on: its sequences have failed, and every further call does. */
  onLost: (error: ServiceError) => void;
}

export interface MasterStats {
  numRunning: number;
  numQueued: number;
  /** Finished prefills whose KV waits to be claimed. */
  numHeld: number;
  /** Requests with a place, running or not. */
  numPlaces: number;
  numBlocks: number;
  numFreeBlocks: number;
  numPreemptions: number;
  numTokens: number;
  numFaults: number;
}

export class DpGroupMaster implements PlaceOwner {
  readonly name: string;
  readonly #options: MasterOptions;
  readonly #group: GroupState;
  readonly #scheduler: Scheduler;
  readonly #reader: EventReader;
  readonly #places = new Set<Place>();
  #nextSeqId = 1n;
  #nextOrder = 1;
  /** Why nothing can run now; null when it can. */
  #obstacle: ServiceError | null = null;
  /** The rank stands still after a fault and waits for `resume`. */
  #needsResume = false;
  #lost: ServiceError | null = null;
  #isTurnQueued = false;
  #stopWatchdog: (() => void) | null = null;
  #numPreemptions = 0;
  #numFaults = 0;
  #msPerAnswer = 1000;
  #lastAnswerMs: number;

  constructor(options: MasterOptions) {
    this.name = options.name;
    this.#options = options;
    this.#lastAnswerMs = options.clock.nowMs();
    const { numBlocks, blockTokens, numSpeculativeTokens } = options.executor.info;
    this.#group = new GroupState({
      masterEpoch: options.epoch,
      numBlocks,
      blockTokens,
      maxPrefillTokens: options.maxPrefillTokens,
      submit: (plan) => options.executor.submit(plan),
      nowMs: () => options.clock.nowMs(),
    });
    this.#scheduler = new Scheduler(this.#group, {
      maxBatchSize: options.maxBatchSize,
      maxPrefillTokens: options.maxPrefillTokens,
      tokensPerStepMax: 1 + numSpeculativeTokens,
      onPreempted: (sequence) => this.#preempted(sequence),
    });
    this.#reader = new EventReader(this.#group, (sequence, end) => this.#ended(sequence, end));
    options.executor.start({
      onSteps: (events) => this.#onSteps(events),
      onReadiness: (readiness) => this.#onReadiness(readiness),
      onLost: (error) => this.#lose(error),
    });
  }

  /** The executor's member, pool and layout. */
  get info(): Executor['info'] {
    return this.#options.executor.info;
  }

  /** Null when sequences can run, else why not. */
  get obstacle(): ServiceError | null {
    return this.#lost ?? this.#obstacle;
  }

  /** Whether a sequence of that many tokens can ever run here. */
  canEverHold(maxTokens: number): boolean {
    return blocksForTokens(maxTokens, this.info.blockTokens) <= this.info.numBlocks;
  }

  /**
   * Queues a prompt. When its token is there its KV is held under the id answered, until dropHeld or adoption.
   * Throws QUEUE_FULL, KV_POOL_EXHAUSTED when it can never fit, MEMBER_UNAVAILABLE when the group cannot run.
   */
  prefill(request: SequenceRequest, sink: SequenceSink): RunningSequence & { seqId: bigint } {
    this.#throwObstacle();
    this.#checkFits(request.tokens.length);
    if (this.#group.prefillQueue.length >= this.#options.maxQueue) throw this.#queueFull();
    const sequence = this.#newSequence('prefill', this.#takeOrder(), prefillRequest(request), sink);
    this.#group.prefillQueue.push(sequence);
    this.#queueTurn();
    return { seqId: sequence.id, cancel: () => this.#cancel(sequence) };
  }

  /** Blocks and generations of a held prefill, in position order. Asserts that it is held. */
  heldBlocks(seqId: bigint): { blocks: number[]; generations: bigint[] } {
    assert(this.#group.held.has(seqId), `sequence ${seqId} is not held`);
    return { blocks: [...this.#group.pool.blocksOf(seqId)], generations: this.#group.pool.generationsOf(seqId) };
  }

  /** While pinned, a held prefill must not be dropped or adopted. */
  pinHeld(seqId: bigint): void {
    this.#group.pool.pin(seqId);
  }

  unpinHeld(seqId: bigint): void {
    if (this.#group.held.has(seqId)) this.#group.pool.unpin(seqId);
  }

  /** Frees a held prefill. Harmless when it is gone. */
  dropHeld(seqId: bigint): void {
    this.#group.dropHeld(seqId);
    this.#queueTurn();
  }

  /** Takes a place for a request of at most `maxTokens`, prompt and answer. Throws as prefill does. */
  reserve(maxTokens: number): Place {
    this.#throwObstacle();
    this.#checkFits(maxTokens);
    const { maxBatchSize, maxQueue } = this.#options;
    if (this.#places.size >= maxBatchSize + maxQueue) throw this.#queueFull();
    const numAhead = Math.max(0, this.#places.size - maxBatchSize);
    const place = new Place(this, this.#takeOrder(), maxTokens, numAhead);
    this.#places.add(place);
    return place;
  }

  startDecode(place: Place, request: DecodeRequest, sink: SequenceSink): RunningSequence {
    this.#throwObstacle();
    assert(request.tokens.length + request.maxNewTokens <= place.maxTokens, 'more tokens than the place was taken for');
    const sequence = this.#newSequence('decode', place.order, request, sink);
    this.#group.enqueueDecode(sequence);
    this.#queueTurn();
    return { cancel: () => this.#cancel(sequence) };
  }

  releasePlace(place: Place): void {
    if (!this.#places.delete(place)) return;
    const nowMs = this.#options.clock.nowMs();
    this.#msPerAnswer = 0.8 * this.#msPerAnswer + 0.2 * Math.min(10_000, nowMs - this.#lastAnswerMs);
    this.#lastAnswerMs = nowMs;
  }

  load(): DpGroupLoad {
    const { blockTokens, numBlocks } = this.info;
    let numPromised = 0;
    for (const place of this.#places) numPromised += blocksForTokens(place.maxTokens, blockTokens);
    const numUsedBlocks = numBlocks - this.#group.pool.numFree;
    return {
      numSequences: this.#places.size,
      maxBatchSize: this.#options.maxBatchSize,
      numBlocks,
      numUsedBlocks,
      numReservedBlocks: Math.max(0, numPromised - numUsedBlocks),
    };
  }

  stats(): MasterStats {
    const group = this.#group;
    return {
      numRunning: group.running.size,
      numQueued: group.prefillQueue.length + group.decodeQueue.length,
      numHeld: group.held.size,
      numPlaces: this.#places.size,
      numBlocks: this.info.numBlocks,
      numFreeBlocks: group.pool.numFree,
      numPreemptions: this.#numPreemptions,
      numTokens: this.#reader.numTokens,
      numFaults: this.#numFaults,
    };
  }

  /** Asserts that no block is lost or doubled; for tests. */
  checkIntegrity(): void {
    this.#group.pool.checkIntegrity();
  }

  /** Fails what runs and closes the executor. */
  close(): void {
    if (this.#lost === null) this.#endAll(new ServiceError('CLOSED', `${this.name} was closed`));
    this.#options.executor.close();
  }

  #onSteps(events: StepEvent[]): void {
    for (const event of events) {
      if (this.#lost !== null || event.masterEpoch !== this.#options.epoch) continue;
      this.#reader.read(event);
      if (event.fault !== null) this.#onFault(event.fault);
    }
    this.#turn();
  }

  #onFault({ rank, code, message }: { rank: number; code: string; message: string }): void {
    this.#numFaults += 1;
    this.#needsResume = true;
    const member = this.#options.memberOfRank(rank);
    this.#failAll(
      new ServiceError('MEMBER_UNAVAILABLE', `${member}: ${code}: ${message}`, { member, retryAfterMs: 1000 }),
    );
  }

  #onReadiness(readiness: Readiness): void {
    if (readiness.ready) {
      this.#obstacle = null;
    } else {
      const { member, reason } = readiness;
      this.#obstacle = new ServiceError('MEMBER_UNAVAILABLE', `${member}: ${reason}`, { member, retryAfterMs: 1000 });
      this.#failAll(this.#obstacle);
    }
    this.#options.onReadiness();
    this.#queueTurn();
  }

  /** Fails all sequences that wait or run; held prefills are complete and stay. */
  #failAll(error: ServiceError): void {
    const { prefillQueue, decodeQueue, running } = this.#group;
    for (const sequence of [...prefillQueue, ...decodeQueue, ...running.values()]) {
      this.#group.remove(sequence);
      this.#ended(sequence, { kind: 'failed', error });
    }
  }

  #lose(error: ServiceError): void {
    if (this.#lost !== null) return;
    this.#endAll(error);
    this.#options.onLost(error);
  }

  #endAll(error: ServiceError): void {
    this.#lost = error;
    this.#stopWatchdog?.();
    this.#failAll(error);
    this.#group.forgetRank();
  }

  #ended(sequence: Sequence, end: SequenceEnd): void {
    sequence.sink.onEnd(end);
  }

  #preempted(sequence: Sequence): void {
    this.#numPreemptions += 1;
    this.#ended(sequence, { kind: 'preempted', tokens: [...sequence.tokens] });
  }

  #cancel(sequence: Sequence): void {
    if (sequence.state === 'ended' || sequence.state === 'held') return;
    this.#group.remove(sequence);
    this.#queueTurn();
  }

  /** One turn for all requests of this tick of the event loop. */
  #queueTurn(): void {
    if (this.#isTurnQueued) return;
    this.#isTurnQueued = true;
    queueMicrotask(() => {
      this.#isTurnQueued = false;
      this.#turn();
    });
  }

  #turn(): void {
    if (this.#lost !== null) return;
    if (this.#needsResume && this.#obstacle === null) {
      this.#group.writer.resume();
      this.#needsResume = false;
    }
    if (this.#obstacle === null) this.#scheduler.turn();
    this.#group.flush();
    this.#watch();
  }

  /** Keeps one timer while plans are unacknowledged: an executor that stands still is lost. */
  #watch(): void {
    if (this.#stopWatchdog !== null || this.#group.writer.oldestSentMs === null) return;
    const { clock, ackTimeoutMs } = this.#options;
    const dueMs = this.#group.writer.oldestSentMs + ackTimeoutMs - clock.nowMs();
    this.#stopWatchdog = clock.setTimer(Math.max(1, dueMs), () => {
      this.#stopWatchdog = null;
      const sentMs = this.#group.writer.oldestSentMs;
      if (sentMs === null || clock.nowMs() - sentMs < ackTimeoutMs) return this.#watch();
      const member = this.info.memberId;
      const text = `${member} did not acknowledge a plan for ${ackTimeoutMs} ms`;
      this.#lose(new ServiceError('MEMBER_UNAVAILABLE', text, { member, retryAfterMs: 1000 }));
    });
  }

  #newSequence(kind: Sequence['kind'], order: number, request: DecodeRequest, sink: SequenceSink): Sequence {
    const sequence = new Sequence(this.#nextSeqId, order, kind, request, sink);
    this.#nextSeqId += 1n;
    return sequence;
  }

  #takeOrder(): number {
    this.#nextOrder += 1;
    return this.#nextOrder;
  }

  #throwObstacle(): void {
    if (this.obstacle !== null) throw this.obstacle;
  }

  #checkFits(maxTokens: number): void {
    if (this.canEverHold(maxTokens)) return;
    const { numBlocks, blockTokens } = this.info;
    const text = `${maxTokens} tokens never fit into the KV pool of ${numBlocks} blocks of ${blockTokens} tokens`;
    throw new ServiceError('KV_POOL_EXHAUSTED', text);
  }

  /** The hint is when about a tenth of the running answers will have ended. */
  #queueFull(): ServiceError {
    const numAnswers = Math.max(1, this.#options.maxBatchSize / 10);
    const retryAfterMs = Math.round(Math.min(10_000, Math.max(100, this.#msPerAnswer * numAnswers)));
    return new ServiceError('QUEUE_FULL', `the queue of ${this.name} is full`, { retryAfterMs });
  }
}

/** A prefill is a sequence that may generate one token and keeps its KV. */
function prefillRequest(request: SequenceRequest): DecodeRequest {
  return { ...request, maxNewTokens: 1, source: null, adopt: null };
}
