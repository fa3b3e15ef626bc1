// The attention part of a ModelSpec. Called by config.ts.
import type { ConfigValues } from './config-fields.js';
import { type Choose, check, numLayersOf } from './config-values.js';
import type { GqaFamily, MlaFamily, WindowFamily } from './family.js';
import type { Place } from './parse-with.js';
import type { Rope } from './rope.js';
import type { ModelSpec } from './spec.js';

export type AttentionSpec = Pick<
  ModelSpec,
  | 'attention'
  | 'numHeads'
  | 'numKvHeads'
  | 'headDim'
  | 'vHeadDim'
  | 'qLoraRank'
  | 'kvLoraRank'
  | 'qkNopeHeadDim'
  | 'qkRopeHeadDim'
  | 'latentNormEps'
  | 'hasSplitKvB'
  | 'qkNorm'
  | 'hasQkvBias'
  | 'hasOutputBias'
  | 'attentionScaleFactor'
  | 'slidingWindow'
  | 'slidingLayers'
  | 'rotaryDim'
>;

export function attentionSpec(
  family: GqaFamily | MlaFamily,
  config: ConfigValues,
  rope: Rope,
  choose: Choose,
  place: Place,
): AttentionSpec {
  return family.kind === 'mla'
    ? mlaSpec(family, config, rope, choose, place)
    : gqaSpec(family, config, rope, choose, place);
}

function mlaSpec(family: MlaFamily, config: ConfigValues, rope: Rope, choose: Choose, place: Place): AttentionSpec {
  const numHeads = config.num_attention_heads as number;
  const numKvHeads = config.num_key_value_heads ?? numHeads;
  check(numKvHeads === numHeads, place, 'num_key_value_heads', 'must equal num_attention_heads');
  const qkNopeHeadDim = config.qk_nope_head_dim as number;
  const qkRopeHeadDim = config.qk_rope_head_dim as number;
  return {
    attention: 'mla',
    numHeads,
    numKvHeads,
    headDim: qkNopeHeadDim + qkRopeHeadDim,
    vHeadDim: config.v_head_dim as number,
    qLoraRank: config.q_lora_rank ?? 0,
    kvLoraRank: config.kv_lora_rank as number,
    qkNopeHeadDim,
    qkRopeHeadDim,
    latentNormEps: family.latentNormEps,
    hasSplitKvB: false,
    qkNorm: 'none',
    hasQkvBias: choose(family.hasBias),
    hasOutputBias: choose(family.hasBias),
    attentionScaleFactor: rope.attentionScaleFactor,
    ...windowOf(null, config, place),
    rotaryDim: qkRopeHeadDim,
  };
}

function gqaSpec(family: GqaFamily, config: ConfigValues, rope: Rope, choose: Choose, place: Place): AttentionSpec {
  const numHeads = config.num_attention_heads as number;
  const numKvHeads = config.num_key_value_heads ?? numHeads;
  check(numHeads % numKvHeads === 0, place, 'num_key_value_heads', `must divide num_attention_heads (${numHeads})`);
  const headDim = config.head_dim ?? Math.floor((config.hidden_size as number) / numHeads);
  check(headDim > 0, place, 'hidden_size', 'is below num_attention_heads, and there is no head_dim');
  return {
    attention: 'gqa',
    numHeads,
    numKvHeads,
    headDim,
    vHeadDim: headDim,
    qLoraRank: 0,
    kvLoraRank: 0,
    qkNopeHeadDim: 0,
    qkRopeHeadDim: 0,
    latentNormEps: 0,
    hasSplitKvB: false,
    qkNorm: qkNormOf(family, config),
    hasQkvBias: choose(family.hasQkvBias),
    hasOutputBias: choose(family.hasOutputBias),
    attentionScaleFactor: 1,
    ...windowOf(family.window, config, place),
    rotaryDim: rotaryDimOf(config, headDim, rope, place),
  };
}

function qkNormOf({ qkNorm }: GqaFamily, config: ConfigValues): ModelSpec['qkNorm'] {
  if (typeof qkNorm === 'string') return qkNorm;
  return config[qkNorm.headIf] === true ? 'head' : 'none';
}

/** transformers gives a share of the head precedence over `rotary_dim`; where they differ, one of them is wrong. */
function rotaryDimOf(config: ConfigValues, headDim: number, rope: Rope, place: Place): number {
  const share = rope.partialFactor ?? config.partial_rotary_factor ?? undefined;
  const byShare = share === undefined ? undefined : Math.floor(headDim * share);
  const rotaryDim = byShare ?? config.rotary_dim ?? headDim;
  const field = config.rotary_dim === undefined ? 'head_dim' : 'rotary_dim';
  check((config.rotary_dim ?? rotaryDim) === rotaryDim, place, field, `contradicts a share of ${share} of the head`);
  check(rotaryDim <= headDim, place, field, `exceeds head_dim (${headDim})`);
  check(rotaryDim >= 2 && rotaryDim % 2 === 0, place, field, `turns ${rotaryDim} dimensions, which are not pairs`);
  return rotaryDim;
}

type Windows = Pick<AttentionSpec, 'slidingWindow' | 'slidingLayers'>;

function windowOf(family: WindowFamily | null, config: ConfigValues, place: Place): Windows {
  const size = windowSize(family, config, place);
  const slidingLayers = slidingLayersOf(family, size > 0, config, place);
  return slidingLayers.length === 0 ? { slidingWindow: 0, slidingLayers } : { slidingWindow: size, slidingLayers };
}

/** 0: no window. */
function windowSize(family: WindowFamily | null, config: ConfigValues, place: Place): number {
  const size = config.use_sliding_window === false ? 0 : (config.sliding_window ?? 0);
  if (family) return family.isOptional && config.use_sliding_window !== true ? 0 : size;
  check(size === 0, place, 'sliding_window', 'is set in a family that has no windows');
  return 0;
}

function slidingLayersOf(
  family: WindowFamily | null,
  hasWindow: boolean,
  config: ConfigValues,
  place: Place,
): number[] {
  const layers = [...Array(numLayersOf(config)).keys()];
  const most = config.max_window_layers ?? layers.length;
  const isSliding: Record<WindowFamily['layers'], (layer: number) => boolean> = {
    all: () => true,
    upper: (layer) => layer >= most,
    'even-lower': (layer) => layer < most && layer % 2 === 0,
  };
  const usual = family && hasWindow ? layers.filter(isSliding[family.layers]) : [];
  const types = config.layer_types;
  if (!types) return usual;
  check(
    types.length === layers.length,
    place,
    'layer_types',
    `has ${types.length} entries for ${layers.length} layers`,
  );
  const listed = layers.filter((layer) => types[layer] === 'sliding_attention');
  check(hasWindow || listed.length === 0, place, 'layer_types', 'has windows of no size');
  const isFree = family !== null && family.layers !== 'all';
  check(isFree || listed.length === usual.length, place, 'layer_types', 'names other layers than the family has');
  return listed;
}
