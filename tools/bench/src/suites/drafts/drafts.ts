// Suite `drafts`: what drafts of the MTP layer are worth on the shipped model: tokens a step and tokens/s of the native executor with none
// to four of them, for one sequence and for several. Prompts are those of the golden file, answers greedy.
import { join } from 'node:path';
import { openModel } from '@switchyard/model-files';
import { readGolden } from '@switchyard/testkit';
import type { Measurement } from '../../row.js';
import { median } from '../../stats.js';
import type { BenchContext, Suite } from '../../suite.js';
import { DraftRunner, type Figures } from './draft-runner.js';

const NUMS_SPECULATIVE_TOKENS = [0, 1, 2, 3, 4];
const NUMS_SEQUENCES = [1, 4, 16];
const TOKENS_A_STEP_MIN = 1.6; // the issue's, of one sequence with one draft

export const drafts: Suite = {
  name: 'drafts',
  summary: 'tokens a step and tokens/s of the executor with 0 to 4 drafts of the MTP layer, at 1, 4 and 16 sequences',
  run,
};

async function run(context: BenchContext): Promise<Measurement[]> {
  const model = await openModel(join(context.repoRoot, 'models/switchyard-tiny'));
  const prompts = readGolden(context.repoRoot).map(({ ids }) => ids);
  const runners = NUMS_SPECULATIVE_TOKENS.map((numTokens) => new DraftRunner(model, numTokens));
  const figures = new Map<string, Figures[]>();
  try {
    for (const runner of runners) await runner.measure(prompts, 1); // warms up; not counted
    for (let runIdx = 0; runIdx < context.numRuns; runIdx++) {
      context.progress(`run ${runIdx + 1} of ${context.numRuns}`);
      for (const numSequences of NUMS_SEQUENCES.filter((some) => isAnyWanted(context, some))) {
        for (const [numTokens, runner] of runners.entries()) {
          const name = caseOf(numSequences, numTokens);
          figures.set(name, [...(figures.get(name) ?? []), await runner.measure(prompts, numSequences)]);
        }
      }
    }
  } finally {
    for (const runner of runners) runner.close();
  }
  return NUMS_SEQUENCES.flatMap((numSequences) => measurementsOf(numSequences, figures));
}

const caseOf = (numSequences: number, numTokens: number) => `x${numSequences}: ${numTokens} drafts`;

function isAnyWanted(context: BenchContext, numSequences: number): boolean {
  return NUMS_SPECULATIVE_TOKENS.some((numTokens) => context.isWanted(caseOf(numSequences, numTokens)));
}

function measurementsOf(numSequences: number, figures: ReadonlyMap<string, Figures[]>): Measurement[] {
  const without = (figures.get(caseOf(numSequences, 0)) ?? []).map(({ tokensPerSecond }) => tokensPerSecond);
  return NUMS_SPECULATIVE_TOKENS.flatMap((numTokens): Measurement[] => {
    const name = caseOf(numSequences, numTokens);
    const runs = figures.get(name);
    if (runs === undefined) return [];
    const tokensPerStep = median(runs.map((one) => one.tokensPerStep));
    const isPromised = numSequences === 1 && numTokens === 1;
    return [
      {
        case: name,
        unit: 'tokens/s',
        better: 'higher',
        values: runs.map(({ tokensPerSecond }) => tokensPerSecond),
        bars: numTokens === 0 ? [] : [{ against: { name: 'no drafts', value: median(without) }, bound: 1 }],
        extras: { tokensPerStep },
        notes: isPromised ? [`tokens a step: ${tokensPerStep.toFixed(2)}, promised ${TOKENS_A_STEP_MIN}`] : [],
      },
    ];
  });
}
