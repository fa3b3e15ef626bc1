// One answer: colocated = PD = full, alone or in a batch of sixteen, prefill whole or in chunks, with and without preemption, with drafts of
// the MTP layer and without. Token for token and logprob for logprob, bitwise. The reference is colocated, whole, alone, without drafts.
import { TOPOLOGIES } from '@switchyard/testkit';
import { describe } from 'vitest';
import { Parity } from './parity.js';

const parity = new Parity('parity');

const VARIANTS = [
  { name: 'whole prefill, no drafts', flags: { 'num-speculative-tokens': 0 }, preempts: false },
  { name: 'two drafts', flags: { 'num-speculative-tokens': 2 }, preempts: false },
  {
    name: 'prefill in chunks of 16, a draft',
    flags: { 'max-prefill-tokens': 16, 'num-speculative-tokens': 1 },
    preempts: false,
  },
  // Room for about a third of what sixteen sequences hold at their longest, and for any one of them.
  {
    name: 'little KV memory, four drafts',
    flags: { 'kv-bytes': 300_000, 'num-speculative-tokens': 4 },
    preempts: true,
  },
];
const CASES = TOPOLOGIES.flatMap((topology) => VARIANTS.map((variant) => ({ topology, ...variant })));

describe.each(CASES)('$topology, $name', (system) => parity.test(system));
