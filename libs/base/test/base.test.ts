// Assertions throw what they say, and seeded randomness is the same everywhere.
import { describe, expect, test } from 'vitest';
import { assert, SeededRandom, unreachable } from '../src/index.js';

test('assertions throw with their message', () => {
  expect(() => assert(true, 'fine')).not.toThrow();
  expect(() => assert(0, 'no blocks are left')).toThrow('assertion failed: no blocks are left');
  expect(() => unreachable('odd' as never)).toThrow('unreachable: "odd"');
});

describe('SeededRandom', () => {
  test('gives pinned numbers, so that found seeds stay good', () => {
    const random = new SeededRandom(42);
    expect(Array.from({ length: 5 }, () => random.below(1000))).toEqual([601, 448, 852, 669, 174]);
  });

  test('stays in its bounds and reaches all of them', () => {
    const random = new SeededRandom(7);
    const counts = new Array<number>(6).fill(0);
    for (let i = 0; i < 6000; i++) {
      const value = random.below(6);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    expect(counts).toHaveLength(6);
    expect(Math.min(...counts)).toBeGreaterThan(800);
  });

  test('picks from a list, not from an empty one', () => {
    const random = new SeededRandom(1);
    expect(['a', 'b']).toContain(random.pick(['a', 'b']));
    expect(() => random.pick([])).toThrow('empty list');
  });
});
