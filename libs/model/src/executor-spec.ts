// What the native executor is given of a model, and what it cannot run yet. This is the one place that says so: a row of
// `limits` goes when the executor learns what it names, and a field is handed over by standing in `executorFields`.
import { isPlain } from './dtype.js';
import { ModelError } from './error.js';
import type { ModelSpec, WeightPlan } from './spec.js';

/** Fields of ModelSpec that native/addon/executor_convert.cc reads. */
const executorFields = [
  'vocabSize',
  'hiddenSize',
  'numLayers',
  'numDenseLayers',
  'numHeads',
  'qLoraRank',
  'kvLoraRank',
  'qkNopeHeadDim',
  'qkRopeHeadDim',
  'vHeadDim',
  'intermediateSize',
  'moeIntermediateSize',
  'numExperts',
  'numExpertsPerToken',
  'numSharedExperts',
  'numExpertGroups',
  'numTopkGroups',
  'routedScalingFactor',
  'normTopkProb',
  'ropeTheta',
  'rmsNormEps',
  'maxPositions',
  'numMtpLayers',
  'numSlices',
] as const satisfies readonly (keyof ModelSpec)[];

/** A model as the native executor takes it. */
export type ExecutorSpec = { family: 'deepseek-v3' } & Pick<ModelSpec, (typeof executorFields)[number]>;

interface Limit {
  field: keyof ModelSpec;
  isRunnable: (spec: ModelSpec) => boolean;
  what: string;
}

const limit = (field: keyof ModelSpec, isRunnable: Limit['isRunnable'], what: string): Limit => ({
  field,
  isRunnable,
  what,
});

const limits: readonly Limit[] = [
  limit('attention', (spec) => spec.attention === 'mla', 'attention other than MLA'),
  limit('qLoraRank', (spec) => spec.qLoraRank > 0, 'MLA without a low-rank query'),
  limit('hasSplitKvB', (spec) => !spec.hasSplitKvB, 'MLA with k_b_proj and v_b_proj apart'),
  limit('extraDenseLayers', (spec) => spec.extraDenseLayers.length === 0, 'dense layers after layers of experts'),
  limit('attentionScaleFactor', (spec) => spec.attentionScaleFactor === 1, 'a factor of the scores (mscale_all_dim)'),
  limit('ropeScaling', (spec) => spec.ropeScaling.type === 'default', 'scaled rotary positions'),
  limit('tieWordEmbeddings', (spec) => !spec.tieWordEmbeddings, 'tied embeddings'),
  limit('numExperts', (spec) => spec.numExperts > 0, 'models without experts'),
  limit('router', (spec) => spec.router === 'sigmoid', 'a softmax router'),
  limit('hasRouterBias', (spec) => spec.hasRouterBias, 'a router without bias'),
  limit('groupScore', (spec) => spec.groupScore === 'top2-sum', 'groups of experts chosen by their largest score'),
  limit('hasSharedExpertGate', (spec) => !spec.hasSharedExpertGate, 'a gate of the shared expert'),
  limit('quantization', (spec) => spec.quantization === 'none', 'quantised weights'),
];

/**
 * A model in the form the native executor takes.
 *
 * @throws ModelError naming the first field or tensor that the executor cannot run yet.
 */
export function toExecutorSpec(spec: ModelSpec, plan: WeightPlan): ExecutorSpec {
  const broken = limits.find(({ isRunnable }) => !isRunnable(spec));
  if (broken) throw new ModelError(`${spec.family}:${broken.field}`, `${broken.what} cannot be run by this version`);
  const quantised = plan.tensors.find((tensor) => !isPlain(tensor.dtype));
  if (quantised) throw new ModelError(quantised.name, `is ${quantised.dtype}, which this version cannot run`);
  const fields = executorFields.map((field) => [field, spec[field]]);
  return { family: 'deepseek-v3', ...Object.fromEntries(fields) } as ExecutorSpec;
}

/** Elements of a position in the KV cache, of one layer: latent and rotated key in MLA, keys and values of all heads in GQA. */
export function cacheWidth(spec: ModelSpec): number {
  if (spec.attention === 'mla') return spec.kvLoraRank + spec.qkRopeHeadDim;
  return spec.numKvHeads * (spec.headDim + spec.vHeadDim);
}
