// One answer in kernel class mla-split as in fma16 (parity.test.ts): colocated = PD = full, alone or in a batch, whole or in chunks, with and
// without preemption. What a preempted sequence had generated must be absorbed again when it is prefilled anew, though it comes as part of a
// prompt: each topology preempts here, and the chunks begin and end anywhere in prompt and answer.
import { describe, expect, test } from 'vitest';
import { Parity, type ParitySystem } from './parity.js';

/** Room for about a third of what sixteen sequences hold at their longest, and for any one of them. */
const LITTLE = 300_000;
const WHOLE = { topology: 'colocated', flags: { 'num-speculative-tokens': 0 }, preempts: false } as const;

const CASES: (ParitySystem & { name: string })[] = [
  { name: 'whole prefill, no drafts', ...WHOLE },
  {
    name: 'little KV memory, chunks of 16, two drafts',
    topology: 'colocated',
    flags: { 'kv-bytes': LITTLE, 'max-prefill-tokens': 16, 'num-speculative-tokens': 2 },
    preempts: true,
  },
  { name: 'little KV memory, a draft', topology: 'pd', flags: { 'kv-bytes': LITTLE }, preempts: true },
  {
    name: 'little KV memory, chunks of 16, a draft',
    topology: 'full',
    flags: { 'kv-bytes': LITTLE, 'max-prefill-tokens': 16 },
    preempts: true,
  },
];

const split = new Parity('parity in mla-split');
describe.each(CASES)('$topology, $name', ({ flags, ...system }) => {
  split.test({ ...system, flags: { 'kernel-class': 'mla-split', ...flags } });
});

const absorbed = new Parity('parity in fma16');
describe('colocated in fma16', () => {
  absorbed.test(WHOLE);

  test('has other bits: the answers above were not computed in this class', () => {
    const logprobsOf = ({ reference }: Parity) => reference.flatMap(({ logprobs }) => logprobs);
    expect(logprobsOf(split)).not.toEqual(logprobsOf(absorbed));
  });
});
