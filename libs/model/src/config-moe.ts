// The FFN part of a ModelSpec: dense layers, experts and their router. Called by config.ts.
import type { ConfigValues } from './config-fields.js';
import { type Choose, check, numLayersOf } from './config-values.js';
import type { MoeFamily } from './family.js';
import type { Place } from './parse-with.js';
import type { ModelSpec } from './spec.js';

export type MoeSpec = Pick<
  ModelSpec,
  | 'numDenseLayers'
  | 'extraDenseLayers'
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
  const denseLayers = denseLayersOf(family, config, place);
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
    ...denseLayers,
    intermediateSize: denseWidth(family, config, denseLayers, place),
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
    extraDenseLayers: [],
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

type DenseLayers = Pick<MoeSpec, 'numDenseLayers' | 'extraDenseLayers'>;

function denseLayersOf(family: MoeFamily, config: ConfigValues, place: Place): DenseLayers {
  if (family.dense === null) return { numDenseLayers: 0, extraDenseLayers: [] };
  const numLayers = numLayersOf(config);
  if (family.dense === 'mlp_only_layers') return listedDenseLayers(config, numLayers);
  const first = config.first_k_dense_replace as number;
  check(first <= numLayers, place, 'first_k_dense_replace', `exceeds num_hidden_layers (${numLayers})`);
  const step = config.moe_layer_freq ?? 1;
  return denseLayersWhere((layer) => layer < first || layer % step !== 0, numLayers);
}

/** Experts are in every decoder_sparse_step-th layer that mlp_only_layers does not name. */
function listedDenseLayers(config: ConfigValues, numLayers: number): DenseLayers {
  const listed = new Set(config.mlp_only_layers ?? []);
  const step = config.decoder_sparse_step as number;
  return denseLayersWhere((layer) => listed.has(layer) || (layer + 1) % step !== 0, numLayers);
}

function denseLayersWhere(isDense: (layer: number) => boolean, numLayers: number): DenseLayers {
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  const firstSparse = layers.findIndex((layer) => !isDense(layer));
  const numDenseLayers = firstSparse < 0 ? numLayers : firstSparse;
  return { numDenseLayers, extraDenseLayers: layers.slice(numDenseLayers).filter(isDense) };
}

/** Fields that no layer uses do not count: Qwen's configurations name a dense width without having a dense layer. */
function denseWidth(family: MoeFamily, config: ConfigValues, dense: DenseLayers, place: Place): number {
  const hasDense = dense.numDenseLayers + dense.extraDenseLayers.length > 0;
  if (family.dense === null || (family.dense === 'mlp_only_layers' && !hasDense)) return 0;
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
  const numSharedExperts = family.shared === null ? 0 : (config.n_shared_experts ?? 0);
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
