// A small honest model of a rank: it keeps the executor's contract (libs/native) and throws when a master breaks it. Its "KV"
// of a position is a hash of the tokens up to there, so that a lost, doubled or overwritten block shows as a wrong read; its
// next token is a function of that hash, so that the right answer of a request is known beforehand. A generated token leaves another
// hash than the same one in a prompt, as in kernel class mla-split.
import type { KvSource, Plan, SequenceSpec, StepEvent } from '@switchyard/native';
import type { Executor, ExecutorInfo, ExecutorListener, Readiness } from '../src/index.js';

const vocabSize = 211;

function hashNext(hash: number, token: number, isPrompt: boolean): number {
  const salt = isPrompt ? 0x9e3779b9 : 0xc2b2ae35;
  return Math.imul(hash ^ (token + salt), 0x85ebca6b) >>> 0;
}

/** The tokens that any rank generates after `prompt`. */
export function answerOf(prompt: number[], maxNewTokens: number, stopTokenIds: number[]): number[] {
  let hash = prompt.reduce((sum, token) => hashNext(sum, token, true), 1);
  const answer: number[] = [];
  while (answer.length < maxNewTokens) {
    const token = tokenAfter(hash);
    answer.push(token);
    if (stopTokenIds.includes(token)) break;
    hash = hashNext(hash, token, false);
  }
  return answer;
}

function tokenAfter(hash: number): number {
  return (hash >>> 8) % vocabSize;
}

interface RankSequence {
  spec: SequenceSpec;
  tokens: number[];
  numComputed: number;
  blocks: number[];
  numGenerated: number;
  isPulled: boolean;
  isFinished: boolean;
}

export class ModelRank implements Executor {
  readonly info: ExecutorInfo;
  /** KV as the hash of the tokens up to a position; NaN where nothing was written since the block was granted. */
  readonly cells: number[][];
  readonly generations: bigint[];
  readonly #sequences = new Map<bigint, RankSequence>();
  readonly #known = new Set<bigint>();
  readonly #owners: (bigint | null)[];
  #listener: ExecutorListener | null = null;
  /** Plans on their way down and events on their way up: the test decides when they arrive. */
  #plans: Plan[] = [];
  #events: StepEvent[] = [];
  #appliedPlanSeq = 0n;
  #masterEpoch = 0n;
  #step = 0n;
  #maxPrefillTokens = 0;
  #isFaulted = false;
  readiness: Readiness = { ready: true };
  isClosed = false;

  constructor(
    numBlocks: number,
    blockTokens: number,
    readonly sourceRank: ModelRank | null = null,
    numSpeculativeTokens = 0,
  ) {
    this.info = {
      memberId: 'rank-0',
      memberEpoch: 1n,
      numBlocks,
      blockTokens,
      blockBytes: 64,
      layoutVersion: 1,
      numericClass: 'model',
      numSpeculativeTokens,
    };
    this.cells = Array.from({ length: numBlocks }, () => Array<number>(blockTokens).fill(Number.NaN));
    this.generations = Array<bigint>(numBlocks).fill(0n);
    this.#owners = Array<bigint | null>(numBlocks).fill(null);
  }

  start(listener: ExecutorListener): void {
    this.#listener = listener;
    listener.onReadiness(this.readiness);
  }

  submit(plan: Plan): void {
    this.#plans.push(structuredClone(plan));
  }

  close(): void {
    this.isClosed = true;
  }

  get numPlansInFlight(): number {
    return this.#plans.length;
  }

  get numEventsInFlight(): number {
    return this.#events.length;
  }

  get numSequences(): number {
    return this.#sequences.size;
  }

  setReadiness(readiness: Readiness): void {
    this.readiness = readiness;
    this.#listener?.onReadiness(readiness);
  }

  /** Delivers up to `count` events. */
  deliverEvents(count: number): void {
    const events = this.#events.splice(0, count);
    if (events.length > 0) this.#listener?.onSteps(events);
  }

  /** Shifts the position of the first token on its way up, as a broken rank would. */
  corruptNextToken(): void {
    for (const { tokens } of this.#events) for (const token of tokens) token.position += 1;
  }

  /** Steps and delivers by itself until the function it answers is called. */
  run(): () => void {
    const timer = setInterval(() => {
      this.step(99);
      this.deliverEvents(99);
    }, 1);
    return () => clearInterval(timer);
  }

  /** Applies up to `numPlans` plans and runs one step, or rolls it back when `fault` is given. */
  step(numPlans: number, fault: StepEvent['fault'] = null): void {
    const event = emptyEvent();
    const plans = this.#plans.splice(0, numPlans);
    for (const plan of plans) this.#apply(plan);
    if (!this.#isFaulted) {
      if (fault !== null && this.#sequences.size > 0) {
        this.#isFaulted = true;
        event.fault = fault;
      } else {
        this.#pullSources(event);
        this.#runRows(event);
      }
    }
    event.appliedPlanSeq = this.#appliedPlanSeq;
    event.masterEpoch = this.#masterEpoch;
    event.step = this.#step;
    const isWorthTelling =
      plans.length > 0 || event.fault !== null || event.tokens.length > 0 || event.starved.length > 0;
    if (isWorthTelling || event.pulled.length + event.failed.length > 0) this.#events.push(event);
  }

  #apply(plan: Plan): void {
    if (plan.masterEpoch > this.#masterEpoch) this.#beginEpoch();
    check(plan.planSeq === this.#appliedPlanSeq + 1n, `plan ${plan.planSeq} after ${this.#appliedPlanSeq}`);
    this.#masterEpoch = plan.masterEpoch;
    this.#maxPrefillTokens = plan.maxPrefillTokens;
    for (const spec of plan.add) this.#add(spec);
    for (const { seqId, blocks } of plan.grant) {
      check(this.#known.has(seqId), `grant to unknown sequence ${seqId}`);
      const sequence = this.#sequences.get(seqId);
      if (sequence !== undefined) this.#grant(sequence, blocks);
    }
    for (const seqId of plan.remove) {
      check(this.#known.has(seqId), `removal of unknown sequence ${seqId}`);
      this.#drop(seqId);
    }
    if (plan.resume) this.#isFaulted = false;
    this.#appliedPlanSeq = plan.planSeq;
  }

  #beginEpoch(): void {
    for (const seqId of [...this.#sequences.keys()]) this.#drop(seqId);
    this.#known.clear();
    this.#appliedPlanSeq = 0n;
    this.#isFaulted = false;
  }

  #add(spec: SequenceSpec): void {
    check(!this.#known.has(spec.seqId), `sequence ${spec.seqId} was added before`);
    check(spec.numComputed < spec.tokens.length, 'nothing to compute');
    check(spec.numPromptTokens >= 1 && spec.numPromptTokens <= spec.tokens.length, 'no possible prompt');
    this.#known.add(spec.seqId);
    const { tokens, numComputed } = spec;
    const isPulled = spec.source === null;
    const sequence = {
      spec,
      tokens: [...tokens],
      numComputed,
      blocks: [],
      numGenerated: 0,
      isPulled,
      isFinished: false,
    };
    this.#sequences.set(spec.seqId, sequence);
    // Blocks whose KV stands already are taken over as they are; the others are new grants.
    const numKept = isPulled ? Math.ceil(numComputed / this.info.blockTokens) : 0;
    this.#own(sequence, spec.blocks.slice(0, numKept));
    this.#grant(sequence, spec.blocks.slice(numKept));
    check(sequence.blocks.length * this.info.blockTokens >= tokens.length, 'too few blocks to begin with');
  }

  #grant(sequence: RankSequence, blocks: number[]): void {
    for (const block of blocks) this.generations[block] = (this.generations[block] as bigint) + 1n;
    this.#own(sequence, blocks);
  }

  #own(sequence: RankSequence, blocks: number[]): void {
    for (const block of blocks) {
      check(this.#owners[block] === null, `block ${block} belongs to ${this.#owners[block]}`);
      this.#owners[block] = sequence.spec.seqId;
      sequence.blocks.push(block);
    }
  }

  #drop(seqId: bigint): void {
    const sequence = this.#sequences.get(seqId);
    if (sequence === undefined) return;
    this.#sequences.delete(seqId);
    for (const block of sequence.blocks) this.#owners[block] = null;
  }

  /** One pull a step, so that removals can catch a sequence before its pull. */
  #pullSources(event: StepEvent): void {
    for (const sequence of this.#sequences.values()) {
      const { source, seqId } = sequence.spec;
      if (source === null || sequence.isPulled) continue;
      if (this.#pull(sequence, source)) {
        sequence.isPulled = true;
        event.pulled.push(seqId);
      } else {
        this.#drop(seqId);
        event.failed.push({ seqId, code: 'STALE', message: 'generation' });
      }
      return;
    }
  }

  #pull(sequence: RankSequence, source: KvSource): boolean {
    check(this.sourceRank !== null, 'no rank to pull from');
    for (const [idx, from] of source.blocks.entries()) {
      const to = sequence.blocks[idx];
      check(to !== undefined, 'no block to pull into');
      this.cells[to] = [...(this.sourceRank.cells[from] as number[])];
    }
    return source.blocks.every((block, idx) => this.sourceRank?.generations[block] === source.generations[idx]);
  }

  #runRows(event: StepEvent): void {
    let numPrefillRows = this.#maxPrefillTokens;
    let hasRun = false;
    for (const sequence of [...this.#sequences.values()]) {
      if (sequence.isFinished || !sequence.isPulled) continue;
      const isPrefill = sequence.numComputed < sequence.tokens.length - 1;
      const numWanted = sequence.tokens.length - sequence.numComputed;
      const numRows = isPrefill ? Math.min(numWanted, numPrefillRows) : 1;
      if (isPrefill) numPrefillRows -= numRows;
      hasRun ||= numRows > 0;
      if (this.#compute(sequence, numRows)) this.#sampleRun(sequence, event);
      else if (sequence.blocks.length * this.info.blockTokens < sequence.tokens.length)
        event.starved.push(sequence.spec.seqId);
    }
    if (hasRun) this.#step += 1n;
  }

  /** Writes the KV of up to `numRows` positions; true when the last token's is there. */
  #compute(sequence: RankSequence, numRows: number): boolean {
    for (let row = 0; row < numRows; row += 1) {
      const position = sequence.numComputed;
      if (position >= sequence.blocks.length * this.info.blockTokens) return false;
      let hash = 1;
      for (let i = 0; i < position; i += 1) {
        hash = this.#hashAt(sequence, i, hash);
        const found = this.#cell(sequence, i);
        check(found === hash, `KV of sequence ${sequence.spec.seqId} at ${i} is ${found}, not ${hash}`);
      }
      this.#write(sequence, position, this.#hashAt(sequence, position, hash));
      sequence.numComputed += 1;
    }
    return sequence.numComputed === sequence.tokens.length;
  }

  /** @param before Of the positions before this one. */
  #hashAt({ spec, tokens }: RankSequence, position: number, before: number): number {
    return hashNext(before, tokens[position] as number, position < spec.numPromptTokens);
  }

  /** A token, and as many more as drafts may get right in one step, each of which needs the block of its row. */
  #sampleRun(sequence: RankSequence, event: StepEvent): void {
    this.#sample(sequence, event);
    const numRight = Number(this.#step) % (1 + this.info.numSpeculativeTokens);
    for (let i = 0; i < numRight && !sequence.isFinished && this.#compute(sequence, 1); i += 1)
      this.#sample(sequence, event);
  }

  #sample(sequence: RankSequence, event: StepEvent): void {
    const { spec, tokens } = sequence;
    const tokenId = tokenAfter(this.#cell(sequence, tokens.length - 1));
    event.tokens.push({
      seqId: spec.seqId,
      position: tokens.length,
      tokenId,
      logprob: Number.NaN,
      topTokenIds: [],
      topLogprobs: [],
    });
    tokens.push(tokenId);
    sequence.numGenerated += 1;
    const isStop = spec.stopTokenIds.includes(tokenId);
    if (!isStop && sequence.numGenerated < spec.maxNewTokens) return;
    sequence.isFinished = true;
    event.finished.push({ seqId: spec.seqId, reason: isStop ? 'stop' : 'length' });
    if (!spec.hold) this.#drop(spec.seqId);
  }

  #cell(sequence: RankSequence, position: number): number {
    const block = sequence.blocks[Math.floor(position / this.info.blockTokens)] as number;
    return (this.cells[block] as number[])[position % this.info.blockTokens] as number;
  }

  #write(sequence: RankSequence, position: number, hash: number): void {
    const block = sequence.blocks[Math.floor(position / this.info.blockTokens)] as number;
    check(this.#owners[block] === sequence.spec.seqId, `write to block ${block} of another owner`);
    (this.cells[block] as number[])[position % this.info.blockTokens] = hash;
  }
}

function emptyEvent(): StepEvent {
  return {
    masterEpoch: 0n,
    appliedPlanSeq: 0n,
    step: 0n,
    tokens: [],
    finished: [],
    starved: [],
    pulled: [],
    failed: [],
    fault: null,
    timing: null,
  };
}

function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`the master broke the rank's contract: ${message}`);
}
