// The FFN part of a ModelSpec: dense layers, experts and their router. Called by config.ts.
import type { ConfigValues } from './config-fields.js';
import { type Choose, check, numLayersOf } from './config-values.js';
import type { MoeFamily } from './family.js';
import type { Place } from './parse-with.js';
import type { ModelSpec } from './spec.js';

export type MoeSpec = Pick<
  ModelSpec,
  | 'numDenseLayers'
  | 'intermediateSize'
  | 'moeIntermediateSize'
  | 'numExperts'
  | 'numExpertsPerToken'
  | 'numSharedExperts'
  | 'sharedIntermediateSize'
  | 'hasSharedExpertGate'
  | 'router'
  | 'hasRouterBias'
  | 'groupScore'
  | 'numExpertGroups'
  | 'numTopkGroups'
  | 'routedScalingFactor'
  | 'normTopkProb'
>;

export function moeSpec(family: MoeFamily | null, config: ConfigValues, choose: Choose, place: Place): MoeSpec {
  if (!family) return denseSpec(config);
  const numExperts = config[family.numExperts] as number;
  const moeIntermediateSize = config[family.width] as number;
  const numDenseLayers = numDenseLayersOf(family, config, place);
  const groups = groupsOf(family, config, numExperts, place);
  const numExpertsPerToken = config.num_experts_per_tok as number;
  const numReachable = (groups.numTopkGroups * numExperts) / groups.numExpertGroups;
  check(
    numExpertsPerToken <= numReachable,
    place,
    'num_experts_per_tok',
    `exceeds the ${numReachable} experts that a token can reach`,
  );
  return {
    numDenseLayers,
    intermediateSize: denseWidth(family, config, numDenseLayers, place),
    moeIntermediateSize,
    numExperts,
    numExpertsPerToken,
    ...sharedOf(family, config, moeIntermediateSize),
    router: family.router,
    hasRouterBias: family.hasRouterBias,
    groupScore: family.groupScore ?? 'max',
    ...groups,
    routedScalingFactor: config.routed_scaling_factor ?? 1,
    normTopkProb: choose(family.normTopkProb),
  };
}

function denseSpec(config: ConfigValues): MoeSpec {
  return {
    numDenseLayers: numLayersOf(config),
    intermediateSize: config.intermediate_size as number,
    moeIntermediateSize: 0,
    numExperts: 0,
    numExpertsPerToken: 0,
    numSharedExperts: 0,
    sharedIntermediateSize: 0,
    hasSharedExpertGate: false,
    router: 'softmax',
    hasRouterBias: false,
    groupScore: 'max',
    numExpertGroups: 0,
    numTopkGroups: 0,
    routedScalingFactor: 1,
    normTopkProb: false,
  };
}

function numDenseLayersOf(family: MoeFamily, config: ConfigValues, place: Place): number {
  if (family.dense === null) return 0;
  const numLayers = numLayersOf(config);
  if (family.dense === 'first_k_dense_replace') {
    const numDense = config.first_k_dense_replace as number;
    check(numDense <= numLayers, place, 'first_k_dense_replace', `exceeds num_hidden_layers (${numLayers})`);
    return numDense;
  }
  check(
    config.decoder_sparse_step === 1,
    place,
    'decoder_sparse_step',
    'is supported as 1 only: experts in every layer',
  );
  const layers = [...new Set(config.mlp_only_layers ?? [])].sort((a, b) => a - b);
  const isPrefix = layers.length <= numLayers && layers.every((layer, i) => layer === i);
  check(isPrefix, place, 'mlp_only_layers', 'is supported for the first layers of a model only');
  return layers.length;
}

/** Fields that no layer uses do not count: Qwen's configurations name a dense width without having a dense layer. */
function denseWidth(family: MoeFamily, config: ConfigValues, numDenseLayers: number, place: Place): number {
  if (family.dense === null || (family.dense === 'mlp_only_layers' && numDenseLayers === 0)) return 0;
  check(config.intermediate_size !== undefined, place, 'intermediate_size', 'is missing');
  return config.intermediate_size as number;
}

function sharedOf(
  family: MoeFamily,
  config: ConfigValues,
  moeIntermediateSize: number,
): Pick<MoeSpec, 'numSharedExperts' | 'sharedIntermediateSize' | 'hasSharedExpertGate'> {
  if (family.shared === 'shared_expert_intermediate_size') {
    const width = config.shared_expert_intermediate_size as number;
    return { numSharedExperts: 1, sharedIntermediateSize: width, hasSharedExpertGate: true };
  }
  const numSharedExperts = family.shared === null ? 0 : (config.n_shared_experts as number);
  const sharedIntermediateSize = moeIntermediateSize * numSharedExperts;
  return { numSharedExperts, sharedIntermediateSize, hasSharedExpertGate: false };
}

function groupsOf(
  family: MoeFamily,
  config: ConfigValues,
  numExperts: number,
  place: Place,
): Pick<MoeSpec, 'numExpertGroups' | 'numTopkGroups'> {
  const numExpertGroups = config.n_group ?? 1;
  const numTopkGroups = config.topk_group ?? 1;
  if (family.groupScore === null || config.topk_method === 'greedy') return { numExpertGroups: 1, numTopkGroups: 1 };
  const groupSize = numExperts / numExpertGroups;
  check(Number.isInteger(groupSize), place, 'n_group', `must divide the number of experts (${numExperts})`);
  if (family.groupScore === 'top2-sum')
    check(groupSize >= 2, place, 'n_group', 'leaves fewer than two experts a group');
  check(numTopkGroups <= numExpertGroups, place, 'topk_group', `exceeds n_group (${numExpertGroups})`);
  return { numExpertGroups, numTopkGroups };
}
