import { describe, expect, it } from 'vitest';
import {
  admitDecodes,
  admitPrefills,
  blocksLacking,
  blocksToEnd,
  blocksToGrantAhead,
  blocksToReserve,
  chooseDpGroup,
  chooseVictim,
} from '../src/index.js';

const prefill = {
  numFreeBlocks: 10,
  numReservedBlocks: 0,
  numFreePlaces: 8,
  numOutstandingTokens: 0,
  maxPrefillTokens: 64,
};

describe('admitPrefills', () => {
  const queue = [16, 64, 16, 16].map((numTokens) => ({ numTokens, numBlocks: numTokens / 16 }));

  it.each([
    ['everything that fits', {}, 4],
    ['only what leaves the reserve free', { numReservedBlocks: 5 }, 2],
    ['nothing past a head that does not fit', { numFreeBlocks: 4 }, 1],
    ['no more than there are places', { numFreePlaces: 1 }, 1],
    ['nothing when two steps of rows are prepared', { numOutstandingTokens: 128 }, 0],
    ['one more when less is prepared', { numOutstandingTokens: 127 }, 1],
  ])('admits %s', (_, change, expected) => {
    expect(admitPrefills(queue, { ...prefill, ...change })).toBe(expected);
  });

  it('admits a prompt longer than the chunk budget', () => {
    expect(admitPrefills([{ numTokens: 1000, numBlocks: 10 }], prefill)).toBe(1);
  });
});

describe('admitDecodes', () => {
  const queue = [2, 3, 1].map((numNewBlocks) => ({ numNewBlocks, numGrowthBlocks: 4 }));

  it.each([
    ['all with room to grow', { numFreeBlocks: 9, numReservedBlocks: 0, numFreePlaces: 8 }, 3],
    ['only those with room to grow', { numFreeBlocks: 8, numReservedBlocks: 0, numFreePlaces: 8 }, 2],
    ['only beyond the reserve', { numFreeBlocks: 9, numReservedBlocks: 3, numFreePlaces: 8 }, 1],
    ['no more than there are places', { numFreeBlocks: 9, numReservedBlocks: 0, numFreePlaces: 2 }, 2],
  ])('admits %s', (_, capacity, expected) => {
    expect(admitDecodes(queue, capacity)).toBe(expected);
  });

  it('asks no growth room for one that cannot grow', () => {
    const candidate = { numNewBlocks: 4, numGrowthBlocks: 0 };
    expect(admitDecodes([candidate], { numFreeBlocks: 4, numReservedBlocks: 0, numFreePlaces: 1 })).toBe(1);
  });
});

describe('grants', () => {
  it('counts the blocks lacking for the next step', () => {
    expect(blocksLacking({ numTokens: 17, maxTokens: 100, numBlocks: 1 }, 16)).toBe(1);
    expect(blocksLacking({ numTokens: 16, maxTokens: 100, numBlocks: 1 }, 16)).toBe(0);
  });

  it.each([
    ['two blocks ahead', { numTokens: 20, maxTokens: 500, numBlocks: 2 }, 1, false, 2],
    ['what a round trip takes', { numTokens: 20, maxTokens: 500, numBlocks: 2 }, 50, false, 6],
    ['never past the end', { numTokens: 20, maxTokens: 34, numBlocks: 2 }, 50, false, 1],
    ['nothing when it is far enough ahead', { numTokens: 20, maxTokens: 500, numBlocks: 9 }, 1, false, 0],
    ['one block when others wait', { numTokens: 20, maxTokens: 500, numBlocks: 2 }, 50, true, 1],
  ])('grants %s', (_, state, roundTripSteps, isCrowded, expected) => {
    expect(blocksToGrantAhead(state, 16, { roundTripSteps, tokensPerStepMax: 1, isCrowded })).toBe(expected);
  });

  it('grants what a round trip of steps with several tokens each takes', () => {
    const policy = { roundTripSteps: 50, tokensPerStepMax: 3, isCrowded: false };
    expect(blocksToGrantAhead({ numTokens: 20, maxTokens: 500, numBlocks: 2 }, 16, policy)).toBe(18);
  });

  it('reserves a block for who has none ahead and may grow', () => {
    expect(blocksToReserve({ numTokens: 20, maxTokens: 500, numBlocks: 2 }, 16)).toBe(1);
    expect(blocksToReserve({ numTokens: 20, maxTokens: 500, numBlocks: 3 }, 16)).toBe(0);
    expect(blocksToReserve({ numTokens: 20, maxTokens: 33, numBlocks: 2 }, 16)).toBe(0);
  });

  it('needs no block for the KV of the last token', () => {
    expect(blocksToEnd({ numTokens: 20, maxTokens: 33, numBlocks: 2 }, 16)).toBe(0);
    expect(blocksToEnd({ numTokens: 20, maxTokens: 34, numBlocks: 2 }, 16)).toBe(1);
  });
});

describe('chooseVictim', () => {
  it('takes the youngest that holds blocks', () => {
    const candidates = [5, 9, 7].map((order) => ({ order, numBlocks: order === 9 ? 0 : 2 }));
    expect(chooseVictim(candidates)?.order).toBe(7);
    expect(chooseVictim([])).toBeNull();
  });
});

describe('chooseDpGroup', () => {
  const group = { numSequences: 0, maxBatchSize: 4, numBlocks: 100, numUsedBlocks: 0, numReservedBlocks: 0 };

  it('takes the lowest usage with reserved space counted, ties to the lower index', () => {
    expect(
      chooseDpGroup([
        { ...group, numUsedBlocks: 10, numReservedBlocks: 50 },
        { ...group, numUsedBlocks: 40 },
      ]),
    ).toBe(1);
    expect(chooseDpGroup([group, group])).toBe(0);
    expect(chooseDpGroup([])).toBeNull();
  });

  it('leaves out groups at their batch limit unless all are', () => {
    const full = { ...group, numSequences: 4 };
    expect(chooseDpGroup([full, { ...group, numUsedBlocks: 99 }])).toBe(1);
    expect(chooseDpGroup([{ ...full, numUsedBlocks: 9 }, full])).toBe(1);
  });
});
