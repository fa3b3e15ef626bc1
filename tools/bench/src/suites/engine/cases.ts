// The cases of suite `engine` and what each has to reach, as the table has them. Data.
import type { ShapeName } from './model/shape.js';
import type { Work } from './workload.js';

export interface CaseSpec {
  name: string;
  shape: ShapeName;
  work: Work;
  /** Experts in a process of their own; held against the case of the same work in one process. */
  colocated?: string;
  target: Target;
}

export interface Target {
  /** Ratio to node-llama-cpp. */
  peer?: number;
  /** Share of the read bandwidth that will do where `peer` asks for more. */
  orShareOfBandwidth?: number;
  /** Ratio to the best of the llama.cpp programs, and of node-llama-cpp where it counts there too. */
  others?: { bound: number; withPeer: boolean };
  /** Ratio to the case `colocated`. */
  colocated?: number;
}

const decode = (numSequences: number): Work => ({ kind: 'decode', numSequences });
const prefill: Work = { kind: 'prefill' };
const ik = { bound: 1.15, withPeer: false };
const SHARE = 0.75;

const mlaTarget: Target = { peer: 1, others: { bound: 1.15, withPeer: true } };
const denseTarget: Target = { peer: 1, others: { bound: 1, withPeer: false } };

export const CASES: readonly CaseSpec[] = [
  caseOf('qwen3moe', decode(1), { peer: 2.5, orShareOfBandwidth: SHARE, others: ik }),
  caseOf('qwen3moe', decode(8), { peer: 3.2, orShareOfBandwidth: SHARE, others: ik }),
  caseOf('qwen3moe', decode(32), { peer: 3.2, others: ik }),
  caseOf('qwen3moe', prefill, { peer: 2.2, others: ik }),
  {
    name: 'qwen3moe-split-8',
    shape: 'qwen3moe',
    work: decode(8),
    colocated: 'qwen3moe-decode-8',
    target: { colocated: 0.85 },
  },
  caseOf('qwen3moe', { kind: 'first-token' }, { peer: 0.5 }),
  ...[decode(1), decode(8), decode(32), prefill].map((work) => caseOf('mla', work, mlaTarget)),
  ...[decode(1), decode(8), prefill].map((work) => caseOf('dense', work, denseTarget)),
];

function caseOf(shape: ShapeName, work: Work, target: Target): CaseSpec {
  return { name: `${shape}-${suffixOf(work)}`, shape, work, target };
}

function suffixOf(work: Work): string {
  if (work.kind === 'decode') return `decode-${work.numSequences}`;
  return work.kind === 'prefill' ? 'prefill-512' : 'cold-first-token';
}
