// The attention part of a ModelSpec. Called by config.ts.
import type { ConfigValues } from './config-fields.js';
import { type Choose, check, numLayersOf } from './config-values.js';
import { ModelError } from './error.js';
import type { GqaFamily, MlaFamily } from './family.js';
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
  | 'hasSplitKvB'
  | 'qkNorm'
  | 'hasQkvBias'
  | 'hasOutputBias'
  | 'attentionScaleFactor'
  | 'slidingWindow'
  | 'firstSlidingLayer'
  | 'rotaryDim'
>;

export function attentionSpec(
  family: GqaFamily | MlaFamily,
  config: ConfigValues,
  rope: Rope,
  choose: Choose,
  place: Place,
): AttentionSpec {
  return family.kind === 'mla' ? mlaSpec(config, rope, place) : gqaSpec(family, config, rope, choose, place);
}

function mlaSpec(config: ConfigValues, rope: Rope, place: Place): AttentionSpec {
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
    hasSplitKvB: false,
    qkNorm: 'none',
    hasQkvBias: false,
    hasOutputBias: false,
    attentionScaleFactor: rope.attentionScaleFactor,
    slidingWindow: 0,
    firstSlidingLayer: 0,
    rotaryDim: qkRopeHeadDim,
  };
}

function gqaSpec(family: GqaFamily, config: ConfigValues, rope: Rope, choose: Choose, place: Place): AttentionSpec {
  const numHeads = config.num_attention_heads as number;
  const numKvHeads = config.num_key_value_heads ?? numHeads;
  check(numHeads % numKvHeads === 0, place, 'num_key_value_heads', `must divide num_attention_heads (${numHeads})`);
  const headDim = config.head_dim ?? (config.hidden_size as number) / numHeads;
  check(
    Number.isInteger(headDim),
    place,
    'hidden_size',
    'is no multiple of num_attention_heads, and there is no head_dim',
  );
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
    hasSplitKvB: false,
    qkNorm: qkNormOf(family, config),
    hasQkvBias: choose(family.hasQkvBias),
    hasOutputBias: choose(family.hasOutputBias),
    attentionScaleFactor: 1,
    ...windowOf(family, config, place),
    rotaryDim: rotaryDimOf(config, headDim, rope, place),
  };
}

function qkNormOf({ qkNorm }: GqaFamily, config: ConfigValues): ModelSpec['qkNorm'] {
  if (typeof qkNorm === 'string') return qkNorm;
  return config[qkNorm.headIf] === true ? 'head' : 'none';
}

function rotaryDimOf(config: ConfigValues, headDim: number, rope: Rope, place: Place): number {
  const partial = config.partial_rotary_factor ?? 1;
  const rotaryDim = config.rotary_dim ?? Math.floor(headDim * (rope.partialFactor ?? partial));
  const field = config.rotary_dim === undefined ? 'head_dim' : 'rotary_dim';
  check(rotaryDim <= headDim, place, field, `exceeds head_dim (${headDim})`);
  check(rotaryDim >= 2 && rotaryDim % 2 === 0, place, field, `turns ${rotaryDim} dimensions, which are not pairs`);
  return rotaryDim;
}

/** Windows begin at some layer and hold to the last; other patterns of `layer_types` are refused. */
function windowOf(
  family: GqaFamily,
  config: ConfigValues,
  place: Place,
): Pick<AttentionSpec, 'slidingWindow' | 'firstSlidingLayer'> {
  const isOn = family.window === 'sliding_window' || (family.window !== 'none' && config.use_sliding_window === true);
  const slidingWindow = isOn ? (config.sliding_window ?? 0) : 0;
  const numLayers = numLayersOf(config);
  const types = config.layer_types;
  let firstSlidingLayer = family.window === 'use_sliding_window' ? (config.max_window_layers ?? 0) : 0;
  if (types) {
    check(types.length === numLayers, place, 'layer_types', `has ${types.length} entries for ${numLayers} layers`);
    const first = types.indexOf('sliding_attention');
    firstSlidingLayer = first < 0 ? numLayers : first;
    const isSuffix = types.slice(firstSlidingLayer).every((type) => type === 'sliding_attention');
    check(isSuffix, place, 'layer_types', 'has full attention after sliding windows, which is not supported');
    if (first >= 0 && slidingWindow === 0) throw new ModelError(place('layer_types'), 'has windows of no size');
  }
  if (slidingWindow === 0 || firstSlidingLayer >= numLayers) return { slidingWindow: 0, firstSlidingLayer: 0 };
  return { slidingWindow, firstSlidingLayer };
}
