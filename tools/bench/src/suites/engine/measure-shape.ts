// One run of one shape: all engines in turn, each in processes of its own.
import type { CaseSpec } from './cases.js';
import { runJob } from './engine-process.js';
import { type Figures, OURS, type Source } from './figures.js';
import type { LlamaPrograms } from './llama-programs.js';
import { ownKernelClass, type ShapeFiles } from './model-files.js';
import { type InstalledPeer, peerName } from './peer-install.js';
import { measureReadBandwidth } from './read-bandwidth.js';
import type { EngineSpec, Job } from './runner.js';

/** What is measured and where the figures go. */
export interface Bench {
  figures: Figures;
  peer: InstalledPeer | null;
  programs: LlamaPrograms;
  /** Tried of every engine that can be told. */
  threadCounts: readonly number[];
}

interface Contestant {
  source: Source;
  spec: EngineSpec;
}

/** Distinct prompts in each run; the engines of a run have the same ones. */
const SEEDS_PER_RUN = 1000;

/** Makes what our engine keeps of a model, and brings all files into the page cache. */
export async function warmUp(bench: Bench, files: ShapeFiles): Promise<void> {
  for (const { spec } of contestants(bench, files)) await runJob(jobOf(spec, files, [], 0));
}

export async function measureOnce(
  bench: Bench,
  files: ShapeFiles,
  cases: readonly CaseSpec[],
  runIdx: number,
): Promise<void> {
  bench.figures.addBandwidth(await measureReadBandwidth());
  const split = cases.filter(({ colocated }) => colocated !== undefined);
  const cold = cases.filter(({ work }) => work.kind === 'first-token');
  const warm = cases.filter((each) => !split.includes(each) && !cold.includes(each));
  for (const contestant of contestants(bench, files)) {
    await measureWarm(bench, files, warm, contestant, runIdx);
    for (const each of cold) {
      const { firstMs } = await runJob(jobOf(contestant.spec, files, [each], runIdx));
      bench.figures.add(each.name, contestant.source, firstMs);
    }
  }
  await measureWarm(bench, files, split, { source: OURS, spec: ownSpec(files, true) }, runIdx);
  for (const each of warm) {
    for (const threads of bench.threadCounts) {
      for (const { name, value } of await bench.programs.measure(each.work, files.gguf, threads)) {
        bench.figures.add(each.name, { engine: name, threads }, value);
      }
    }
  }
}

async function measureWarm(
  bench: Bench,
  files: ShapeFiles,
  cases: readonly CaseSpec[],
  { source, spec }: Contestant,
  runIdx: number,
): Promise<void> {
  if (cases.length === 0) return;
  const { values } = await runJob(jobOf(spec, files, cases, runIdx));
  for (const [i, value] of values.entries()) bench.figures.add((cases[i] as CaseSpec).name, source, value);
}

function contestants({ peer, threadCounts }: Bench, files: ShapeFiles): Contestant[] {
  const ours = { source: OURS, spec: ownSpec(files, false) };
  if (peer === null) return [ours];
  const peers = threadCounts.map((threads): Contestant => {
    const spec = { name: 'node-llama-cpp', folder: peer.folder, modelPath: files.gguf, threads } as const;
    return { source: { engine: peerName(peer), threads }, spec };
  });
  return [ours, ...peers];
}

function ownSpec({ shape, own, cacheDir }: ShapeFiles, isSplit: boolean): EngineSpec {
  return { name: 'ours', modelPath: own, cacheDir, kernelClass: ownKernelClass(shape.name), isSplit };
}

function jobOf(engine: EngineSpec, { shape }: ShapeFiles, cases: readonly CaseSpec[], runIdx: number): Job {
  const works = cases.map(({ work }) => work);
  return { engine, works, vocabSize: shape.vocabSize, seed: runIdx * SEEDS_PER_RUN };
}
