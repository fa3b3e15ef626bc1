import { describe, expect, it } from 'vitest';
import { BlockPool, blocksForTokens } from '../src/index.js';
import { seeded } from './random.js';

describe('blocksForTokens', () => {
  it('rounds up', () => {
    expect([0, 1, 15, 16, 17, 32].map((tokens) => blocksForTokens(tokens, 16))).toEqual([0, 1, 1, 1, 2, 2]);
  });
});

describe('BlockPool', () => {
  it('gives out the lowest blocks first and refuses what it does not have, changing nothing', () => {
    const pool = new BlockPool({ numBlocks: 4, blockTokens: 16 });
    expect(pool.allocate(1n, 3)).toEqual([0, 1, 2]);
    expect(pool.allocate(2n, 2)).toBeNull();
    expect(pool.has(2n)).toBe(false);
    expect(pool.numFree).toBe(1);
    pool.checkIntegrity();
  });

  it('frees released blocks only when their plan is acknowledged', () => {
    const pool = new BlockPool({ numBlocks: 4, blockTokens: 16 });
    pool.allocate(1n, 4);
    pool.release(1n, 7n);
    expect([pool.numFree, pool.numPending]).toEqual([0, 4]);
    expect(pool.acknowledge(6n)).toBe(0);
    expect(pool.acknowledge(7n)).toBe(4);
    expect([pool.numFree, pool.numPending]).toEqual([4, 0]);
    pool.allocate(2n, 1);
    pool.release(2n, 5n);
    expect(pool.numFree).toBe(4);
  });

  it('raises a generation at every grant and at a transfer', () => {
    const pool = new BlockPool({ numBlocks: 2, blockTokens: 16 });
    pool.allocate(1n, 2);
    expect(pool.generationsOf(1n)).toEqual([1n, 1n]);
    expect(pool.transfer(1n, 2n)).toEqual([0, 1]);
    expect(pool.generationsOf(2n)).toEqual([2n, 2n]);
    expect(pool.has(1n)).toBe(false);
    pool.release(2n, 0n);
    pool.allocate(3n, 1);
    expect(pool.generationsOf(3n)).toEqual([3n]);
  });

  it('refuses to release or transfer pinned blocks', () => {
    const pool = new BlockPool({ numBlocks: 2, blockTokens: 16 });
    pool.allocate(1n, 1);
    pool.pin(1n);
    expect(() => pool.release(1n, 1n)).toThrow('pinned');
    expect(() => pool.transfer(1n, 2n)).toThrow('pinned');
    pool.unpin(1n);
    expect(() => pool.unpin(1n)).toThrow('not pinned');
    pool.release(1n, 1n);
    expect(() => pool.release(1n, 1n)).toThrow('no blocks');
  });

  it('loses and doubles no block over random operations', () => {
    const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
    console.log(`block pool seed ${seed}`);
    const random = seeded(seed);
    const pool = new BlockPool({ numBlocks: 37, blockTokens: 16 });
    const owners: bigint[] = [];
    let nextOwner = 1n;
    let planSeq = 0n;
    let acknowledged = 0n;
    const generations = new Map<number, bigint>();
    const granted = (blocks: readonly number[]) => {
      for (const block of blocks) generations.set(block, (generations.get(block) ?? 0n) + 1n);
    };
    for (let i = 0; i < 5000; i += 1) {
      const owner = owners[random(owners.length)];
      const action = random(5);
      if (action === 0) {
        const blocks = pool.allocate(nextOwner, 1 + random(6));
        if (blocks !== null) {
          owners.push(nextOwner);
          granted(blocks);
        }
        nextOwner += 1n;
      } else if (action === 1 && owner !== undefined) {
        granted(pool.allocate(owner, random(3)) ?? []);
      } else if (action === 2 && owner !== undefined) {
        owners[owners.indexOf(owner)] = nextOwner;
        granted(pool.transfer(owner, nextOwner));
        nextOwner += 1n;
      } else if (action === 3 && owner !== undefined) {
        owners.splice(owners.indexOf(owner), 1);
        planSeq += 1n;
        pool.release(owner, planSeq);
      } else if (action === 4) {
        acknowledged += BigInt(random(Number(planSeq - acknowledged) + 1));
        pool.acknowledge(acknowledged);
      }
      pool.checkIntegrity();
      expect(pool.numFree + pool.numPending + pool.numOwned).toBe(37);
    }
    for (const owner of owners) {
      expect(pool.generationsOf(owner)).toEqual(pool.blocksOf(owner).map((block) => generations.get(block)));
    }
    for (const owner of owners) pool.release(owner, planSeq);
    pool.acknowledge(planSeq);
    expect(pool.numFree).toBe(37);
  });
});
