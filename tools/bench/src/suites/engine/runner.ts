// One engine in a process of its own: `node runner.js JOB` loads the model, does the works in turn and prints a line of JSON for each, as
// soon as it is done. Started by engine-process.ts.
import { openNodeLlamaCpp } from './node-llama-cpp.js';
import { type OursOptions, openOurs } from './ours.js';
import { type Engine, measure, randomPrompt, type Work } from './workload.js';

export type EngineSpec =
  | ({ name: 'ours' } & OursOptions)
  | { name: 'node-llama-cpp'; folder: string; modelPath: string; threads: number };

export interface Job {
  engine: EngineSpec;
  works: Work[];
  vocabSize: number;
  seed: number;
}

const WARM_UP_TOKENS = 64;

function open(spec: EngineSpec): Promise<Engine> {
  return spec.name === 'ours' ? openOurs(spec) : openNodeLlamaCpp(spec);
}

const { engine: spec, works, vocabSize, seed }: Job = JSON.parse(process.argv[2] ?? '');
const engine = await open(spec);
const isCold = works.some(({ kind }) => kind === 'first-token');
if (!isCold && works.length > 0) await engine.firstToken(randomPrompt(WARM_UP_TOKENS, vocabSize, seed));
for (const work of works) console.log(JSON.stringify({ value: await measure(engine, work, vocabSize, seed) }));
await engine.close();
