// Suite `engine`: decode, prefill and start of our engine beside node-llama-cpp and other builds of llama.cpp on the same random weights,
// and beside what the machine's memory gives.
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Measurement } from '../../row.js';
import type { BenchContext, Suite } from '../../suite.js';
import { CASES, type CaseSpec } from './cases.js';
import { Figures } from './figures.js';
import { LlamaPrograms } from './llama-programs.js';
import { type Bench, measureOnce, warmUp } from './measure-shape.js';
import type { BenchShape } from './model/shape.js';
import { shapeOf } from './model/shapes.js';
import { type OwnWeights, ownWeights, writeFiles } from './model-files.js';
import { fetchPeer, findPeer, MISSING_PEER_NOTE, peerName } from './peer-install.js';

export const engine: Suite = {
  name: 'engine',
  summary: 'decode, prefill and first token beside node-llama-cpp on the same random weights, and the read bandwidth',
  run,
  fetchPeers: ({ repoRoot }) => fetchPeer(repoRoot),
};

async function run(context: BenchContext): Promise<Measurement[]> {
  const weights = ownWeights();
  const peer = findPeer(context.repoRoot);
  const cases = casesFor(context);
  const figures = new Figures(peer === null ? '' : peerName(peer), weights, peer === null ? [MISSING_PEER_NOTE] : []);
  const threadCounts = [...new Set([1, availableParallelism()])];
  const bench: Bench = { figures, peer, programs: new LlamaPrograms(), threadCounts };
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-bench-engine-'));
  const rows: Measurement[] = [];
  try {
    for (const name of new Set(cases.map((each) => each.shape))) {
      const shape = shapeOf(name);
      const ofShape = cases.filter((each) => each.shape === name);
      await measureShape({ context, bench, weights, folder: join(folder, name) }, shape, ofShape);
      rows.push(...ofShape.map((each) => figures.measurementOf(each, shape)));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return rows.length === 0 ? [] : [figures.bandwidthRow(), ...rows];
}

/** Those that are wanted, and those that they are held against. */
function casesFor({ isWanted }: BenchContext): CaseSpec[] {
  const wanted = CASES.filter(({ name }) => isWanted(name));
  return CASES.filter((each) => wanted.some((other) => other === each || other.colocated === each.name));
}

interface Setting {
  context: BenchContext;
  bench: Bench;
  weights: OwnWeights;
  /** For the files of the shape; removed again, since three shapes take 6 GB. */
  folder: string;
}

async function measureShape(
  { context, bench, weights, folder }: Setting,
  shape: BenchShape,
  cases: readonly CaseSpec[],
): Promise<void> {
  const { numRuns, repoRoot, progress } = context;
  progress(`writing ${shape.name}`);
  const files = writeFiles(folder, shape, weights, repoRoot);
  await warmUp(bench, files);
  for (let runIdx = 0; runIdx < numRuns; runIdx++) {
    progress(`run ${runIdx + 1} of ${numRuns}: ${shape.name}`);
    await measureOnce(bench, files, cases, runIdx);
  }
  rmSync(folder, { recursive: true });
}
