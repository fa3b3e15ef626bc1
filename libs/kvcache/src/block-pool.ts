// The books of one KV pool: which block belongs to whom, and which generation it is in. The DP group's master is the only
// caller (D3): it allocates here and tells the rank by plan. The pool knows nothing of tensors, plans' contents or time.
// A block is free, owned by one owner, or released and pending until the rank has acknowledged the plan that dropped it.
import { assert } from '@switchyard/base';

export interface BlockPoolOptions {
  numBlocks: number;
  /** Positions a block. */
  blockTokens: number;
}

interface Holding {
  blocks: number[];
  numPins: number;
}

interface PendingRelease {
  planSeq: bigint;
  blocks: number[];
}

const FREE = 0;
const OWNED = 1;
const PENDING = 2;

/** Owners are the master's sequence ids. All methods assert on misuse: a wrong call is a fault of the master, not of a user. */
export class BlockPool {
  readonly numBlocks: number;
  readonly blockTokens: number;
  readonly #free: number[];
  readonly #states: Uint8Array;
  readonly #generations: BigUint64Array;
  readonly #holdings = new Map<bigint, Holding>();
  /** Ascending by planSeq, except that a later release may name an older plan; drained by a scan of this short list. */
  #pending: PendingRelease[] = [];
  #numPending = 0;
  #acknowledgedPlanSeq = 0n;

  constructor({ numBlocks, blockTokens }: BlockPoolOptions) {
    assert(Number.isInteger(numBlocks) && numBlocks > 0, `numBlocks ${numBlocks} is not a positive integer`);
    assert(Number.isInteger(blockTokens) && blockTokens > 0, `blockTokens ${blockTokens} is not a positive integer`);
    this.numBlocks = numBlocks;
    this.blockTokens = blockTokens;
    // A stack whose top is block 0: the lowest blocks are used first and again, so that untouched memory stays untouched.
    this.#free = Array.from({ length: numBlocks }, (_, i) => numBlocks - 1 - i);
    this.#states = new Uint8Array(numBlocks);
    this.#generations = new BigUint64Array(numBlocks);
  }

  get numFree(): number {
    return this.#free.length;
  }

  /** Released blocks whose plan the rank has not acknowledged yet. */
  get numPending(): number {
    return this.#numPending;
  }

  get numOwned(): number {
    return this.numBlocks - this.numFree - this.numPending;
  }

  /** Blocks in use or not yet reusable, as a share of the pool. */
  get usage(): number {
    return 1 - this.numFree / this.numBlocks;
  }

  /** Gives `count` more blocks to `owner` and raises their generations; null, changing nothing, when there are too few. */
  allocate(owner: bigint, count: number): number[] | null {
    assert(Number.isInteger(count) && count >= 0, `count ${count} is not a block count`);
    if (count > this.#free.length) return null;
    const blocks: number[] = [];
    for (let i = 0; i < count; i += 1) {
      const block = this.#free.pop() as number;
      this.#states[block] = OWNED;
      blocks.push(block);
    }
    this.#raiseGenerations(blocks);
    this.#holdingOf(owner, true).blocks.push(...blocks);
    return blocks;
  }

  /**
   * Hands all blocks of `from` to the new owner `to`, in order. The rank sees a grant to another sequence, so the generations
   * go up. Answers the blocks.
   */
  transfer(from: bigint, to: bigint): number[] {
    const holding = this.#holdingOf(from, false);
    assert(holding.numPins === 0, `blocks of ${from} are pinned`);
    assert(!this.#holdings.has(to), `owner ${to} has blocks already`);
    this.#holdings.delete(from);
    this.#holdings.set(to, holding);
    this.#raiseGenerations(holding.blocks);
    return [...holding.blocks];
  }

  /** Keeps the blocks of `owner` from being released until as many unpins. */
  pin(owner: bigint): void {
    this.#holdingOf(owner, false).numPins += 1;
  }

  unpin(owner: bigint): void {
    const holding = this.#holdingOf(owner, false);
    assert(holding.numPins > 0, `blocks of ${owner} are not pinned`);
    holding.numPins -= 1;
  }

  /** Takes all blocks of `owner` away. They are free once plan `afterPlanSeq` is acknowledged, at once when it is already. */
  release(owner: bigint, afterPlanSeq: bigint): void {
    const holding = this.#holdingOf(owner, false);
    assert(holding.numPins === 0, `blocks of ${owner} are pinned`);
    this.#holdings.delete(owner);
    for (const block of holding.blocks) this.#states[block] = PENDING;
    this.#numPending += holding.blocks.length;
    this.#pending.push({ planSeq: afterPlanSeq, blocks: holding.blocks });
    if (afterPlanSeq <= this.#acknowledgedPlanSeq) this.#freePending();
  }

  /** The rank has applied all plans up to `planSeq`. Answers how many blocks became free. */
  acknowledge(planSeq: bigint): number {
    if (planSeq <= this.#acknowledgedPlanSeq) return 0;
    this.#acknowledgedPlanSeq = planSeq;
    return this.#freePending();
  }

  has(owner: bigint): boolean {
    return this.#holdings.has(owner);
  }

  /** Blocks of `owner` in position order. */
  blocksOf(owner: bigint): readonly number[] {
    return this.#holdingOf(owner, false).blocks;
  }

  numBlocksOf(owner: bigint): number {
    return this.#holdings.get(owner)?.blocks.length ?? 0;
  }

  /** Generation of each block of `owner`, as the rank's table has it once all plans so far are applied. */
  generationsOf(owner: bigint): bigint[] {
    return this.blocksOf(owner).map((block) => this.#generations[block] as bigint);
  }

  /** Asserts that every block is in exactly one place. Costs a pass over the pool: for tests and after faults. */
  checkIntegrity(): void {
    const seen = new Uint8Array(this.numBlocks);
    const visit = (block: number, state: number, where: string) => {
      assert(block >= 0 && block < this.numBlocks, `block ${block} in ${where} is outside the pool`);
      assert(seen[block] === 0, `block ${block} in ${where} is in two places`);
      assert(this.#states[block] === state, `block ${block} in ${where} has state ${this.#states[block]}`);
      seen[block] = 1;
    };
    for (const block of this.#free) visit(block, FREE, 'the free list');
    for (const [owner, holding] of this.#holdings) for (const block of holding.blocks) visit(block, OWNED, `${owner}`);
    for (const release of this.#pending) for (const block of release.blocks) visit(block, PENDING, 'a release');
    const numLost = seen.reduce((sum, flag) => sum - flag, this.numBlocks);
    assert(numLost === 0, `${numLost} blocks are lost`);
    const numPending = this.#pending.reduce((sum, release) => sum + release.blocks.length, 0);
    assert(numPending === this.#numPending, `${this.#numPending} blocks counted as pending, ${numPending} listed`);
  }

  #holdingOf(owner: bigint, create: boolean): Holding {
    let holding = this.#holdings.get(owner);
    if (holding === undefined) {
      assert(create, `owner ${owner} has no blocks`);
      holding = { blocks: [], numPins: 0 };
      this.#holdings.set(owner, holding);
    }
    return holding;
  }

  #raiseGenerations(blocks: number[]): void {
    for (const block of blocks) this.#generations[block] = (this.#generations[block] as bigint) + 1n;
  }

  #freePending(): number {
    const kept: PendingRelease[] = [];
    let numFreed = 0;
    for (const release of this.#pending) {
      if (release.planSeq > this.#acknowledgedPlanSeq) {
        kept.push(release);
        continue;
      }
      for (const block of release.blocks) this.#states[block] = FREE;
      // Reversed, so that the stack gives them out in the order they were held.
      this.#free.push(...release.blocks.reverse());
      numFreed += release.blocks.length;
    }
    this.#pending = kept;
    this.#numPending -= numFreed;
    return numFreed;
  }
}
