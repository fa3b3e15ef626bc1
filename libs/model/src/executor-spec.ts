// What the native executor is given of a model, and what it cannot run yet. This is the one place that says so: a row of
// `limits` goes when the executor learns what it names, and a field is handed over by standing in `executorFields`.
import { ModelError } from './error.js';
import type { ModelSpec } from './spec.js';

/** Fields of ModelSpec that native/addon/executor_convert.cc reads. */
const executorFields = [
  'vocabSize',
  'hiddenSize',
  'numLayers',
  'numDenseLayers',
  'extraDenseLayers',
  'tieWordEmbeddings',
  'rmsNormEps',
  'maxPositions',
  'numMtpLayers',
  'attention',
  'numHeads',
  'numKvHeads',
  'headDim',
  'vHeadDim',
  'qLoraRank',
  'kvLoraRank',
  'qkNopeHeadDim',
  'qkRopeHeadDim',
  'latentNormEps',
  'hasSplitKvB',
  'qkNorm',
  'hasQkvBias',
  'hasOutputBias',
  'attentionScaleFactor',
  'slidingWindow',
  'slidingLayers',
  'ropeTheta',
  'ropeScaling',
  'ropeInterleaved',
  'rotaryDim',
  'intermediateSize',
  'hasFfnBias',
  'moeIntermediateSize',
  'numExperts',
  'numExpertsPerToken',
  'numSharedExperts',
  'sharedIntermediateSize',
  'hasSharedExpertGate',
  'router',
  'hasRouterBias',
  'groupScore',
  'numExpertGroups',
  'numTopkGroups',
  'routedScalingFactor',
  'normTopkProb',
  'numSlices',
] as const satisfies readonly (keyof ModelSpec)[];

/** A model as the native executor takes it. */
export type ExecutorSpec = Pick<ModelSpec, (typeof executorFields)[number]>;

interface Limit {
  field: keyof ModelSpec;
  isRunnable: (spec: ModelSpec) => boolean;
  what: string;
}

/** None at present. */
const limits: readonly Limit[] = [];

/**
 * A model in the form the native executor takes.
 *
 * @throws ModelError naming the first field that the executor cannot run yet.
 */
export function toExecutorSpec(spec: ModelSpec): ExecutorSpec {
  const broken = limits.find(({ isRunnable }) => !isRunnable(spec));
  if (broken) throw new ModelError(`${spec.family}:${broken.field}`, `${broken.what} cannot be run by this version`);
  const fields = executorFields.map((field) => [field, spec[field]]);
  return Object.fromEntries(fields) as ExecutorSpec;
}
