// Ten thousand damaged files: each is read or refused by a ModelError, never anything else. `npm run soak -- model` runs this
// file with more of them (SWITCHYARD_TEST_INPUTS).
import { SeededRandom } from '@switchyard/base';
import { describe, expect, test } from 'vitest';
import { attempts, isRefused } from './mutations.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_251_129);
const NUM_INPUTS = Number(process.env.SWITCHYARD_TEST_INPUTS ?? 10_000);
const readers = Object.entries(attempts());
const numInputs = Math.ceil(NUM_INPUTS / readers.length);

describe(`SWITCHYARD_TEST_SEED=${SEED}`, () => {
  test.each(readers)(`%s, ${numInputs} inputs`, (_, attempt) => {
    const random = new SeededRandom(SEED);
    let numRefused = 0;
    for (let i = 0; i < numInputs; i++) if (isRefused(attempt, random)) numRefused++;
    // Most damage is seen; damage of names and values that nobody reads is not.
    expect(numRefused).toBeGreaterThan(numInputs / 4);
    expect(numRefused).toBeLessThan(numInputs);
  });
});
