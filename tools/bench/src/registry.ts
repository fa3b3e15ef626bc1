// The suites that there are.
import type { Suite } from './suite.js';
import { drafts } from './suites/drafts/drafts.js';
import { engine } from './suites/engine/engine.js';
import { kernels } from './suites/kernels/kernels.js';
import { load } from './suites/load/load.js';
import { serve } from './suites/serve/serve.js';
import { xccl } from './suites/xccl/xccl.js';

export const SUITES: readonly Suite[] = [drafts, engine, kernels, load, serve, xccl];

/** Throws, naming the suites that it knows, for any other name. */
export function findSuite(name: string): Suite {
  const suite = SUITES.find((candidate) => candidate.name === name);
  if (suite === undefined)
    throw new Error(`no suite "${name}"; there are: ${SUITES.map((each) => each.name).join(', ')}`);
  return suite;
}
