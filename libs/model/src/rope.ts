// Rotary positions of a configuration: `rope_theta` with `rope_scaling`, or `rope_parameters`, which holds both and is newer.
// A file may have both; what one of them leaves out the other says, and where they contradict each other it is refused.
// Called by config.ts. Names, defaults and formulas: transformers, modeling_rope_utils.py.
import { z } from 'zod';
import type { ConfigValues } from './config-fields.js';
import { ModelError } from './error.js';
import type { Family } from './family.js';
import { type Place, parseWith } from './parse-with.js';
import type { RopeScaling } from './spec.js';

const NUM_POSITIONS_MAX = 1 << 24;

const factor = z.number().min(1).max(1e6);
const positions = z.int().min(1).max(NUM_POSITIONS_MAX);
const scale = z.number().min(0).max(1e6);

const scalings = {
  default: z.looseObject({}),
  linear: z.looseObject({ factor }),
  dynamic: z.looseObject({ factor, alpha: z.null('is not supported').optional() }),
  yarn: z.looseObject({
    factor,
    original_max_position_embeddings: positions.nullish(),
    beta_fast: scale.nullish(),
    beta_slow: scale.nullish(),
    mscale: scale.nullish(),
    mscale_all_dim: scale.nullish(),
    attention_factor: scale.nullish(),
    truncate: z.boolean().nullish(),
  }),
  llama3: z
    .looseObject({
      factor,
      low_freq_factor: z.number().positive().max(1e6),
      high_freq_factor: z.number().positive().max(1e6),
      original_max_position_embeddings: positions.nullish(),
    })
    .refine((llama3) => llama3.high_freq_factor > llama3.low_freq_factor, {
      path: ['high_freq_factor'],
      message: 'must be above low_freq_factor',
    }),
};
type ScalingName = keyof typeof scalings;
type ScalingFields<Name extends ScalingName> = z.infer<(typeof scalings)[Name]>;

const common = z.looseObject({
  rope_theta: z.number().min(1).max(1e9).nullish(),
  partial_rotary_factor: z.number().positive().max(1).nullish(),
  mscale_all_dim: scale.nullish(),
});

export const ropeFields = { rope_scaling: z.unknown().optional(), rope_parameters: z.unknown().optional() };

export interface Rope {
  theta: number;
  scaling: RopeScaling;
  /** The share of a head that is turned, where the rotary settings hold it. */
  partialFactor: number | undefined;
  /** The scores' extra factor of MLA models with YaRN (mscale_all_dim), 1 for others. */
  attentionScaleFactor: number;
  /** Longest sequence in tokens: what dynamic RoPE stretches the trained positions to, or max_position_embeddings. */
  maxPositions: number;
}

type RopeConfig = ConfigValues & { rope_scaling?: unknown; rope_parameters?: unknown };

/** @param config The fields above as they stand, and those that the family reads. */
export function parseRope(family: Family, config: RopeConfig, place: Place): Rope {
  const { json, place: placeInside } = settingsOf(config, place);
  const scaling = parseScaling(json, config, placeInside);
  const fields = parseWith(common, json, placeInside);
  const theta = fields.rope_theta ?? config.rope_theta;
  if (theta === undefined) throw new ModelError(place('rope_theta'), 'is missing');
  const partialFactor = fields.partial_rotary_factor ?? undefined;
  const isWhole = !Object.hasOwn(family.optional, 'partial_rotary_factor');
  if (isWhole && partialFactor !== undefined && partialFactor !== 1)
    throw new ModelError(placeInside('partial_rotary_factor'), `is ${partialFactor}, supported is 1`);
  const maxPositions = config.max_position_embeddings as number;
  return {
    theta,
    scaling,
    partialFactor,
    attentionScaleFactor: family.attention.kind === 'mla' ? scoreGrowth(scaling, fields.mscale_all_dim ?? 0) : 1,
    maxPositions: scaling.type === 'dynamic' ? stretched(maxPositions, scaling.factor) : maxPositions,
  };
}

/** The rotary settings of whichever field has them, joined if both do. Those of single kinds of layers are not supported. */
function settingsOf(config: RopeConfig, place: Place): { json: Record<string, unknown>; place: Place } {
  const field = config.rope_parameters != null ? 'rope_parameters' : 'rope_scaling';
  const placeInside: Place = (path) => place(path === '' ? field : `${field}.${path}`);
  const json = parseWith(z.looseObject({}), config[field] ?? {}, placeInside);
  const nested = Object.keys(json).find((key) => isPlainObject(json[key]));
  if (nested !== undefined)
    throw new ModelError(placeInside(nested), 'rotary settings of single layers are not supported');
  if (field === 'rope_scaling' || config.rope_scaling == null) return { json, place: placeInside };
  const older = settingsOf({ rope_scaling: config.rope_scaling }, place);
  const other = Object.keys(older.json).find((key) => Object.hasOwn(json, key) && json[key] !== older.json[key]);
  const isSameType = findType(json, placeInside) === findType(older.json, older.place);
  if (other === undefined && isSameType) return { json: { ...older.json, ...json }, place: placeInside };
  throw new ModelError(older.place(other ?? 'rope_type'), 'contradicts rope_parameters');
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseScaling(json: Record<string, unknown>, config: ConfigValues, place: Place): RopeScaling {
  const type = findType(json, place);
  const trained = config.max_position_embeddings as number;
  const original = (own: number | null | undefined) => config.original_max_position_embeddings ?? own ?? trained;
  switch (type) {
    case 'default':
      return { type };
    case 'linear':
      return { type, factor: parseWith(scalings.linear, json, place).factor };
    case 'dynamic':
      return { type, factor: parseWith(scalings.dynamic, json, place).factor, originalMaxPositions: trained };
    case 'yarn': {
      const fields = parseWith(scalings.yarn, json, place);
      return yarnScaling(fields, original(fields.original_max_position_embeddings));
    }
    case 'llama3': {
      const fields = parseWith(scalings.llama3, json, place);
      return {
        type,
        factor: fields.factor,
        lowFreqFactor: fields.low_freq_factor,
        highFreqFactor: fields.high_freq_factor,
        originalMaxPositions: original(fields.original_max_position_embeddings),
      };
    }
  }
}

function findType(json: Record<string, unknown>, place: Place): ScalingName {
  const name = json.rope_type ?? json.type ?? (Object.hasOwn(json, 'factor') ? undefined : 'default');
  if (typeof name === 'string' && Object.hasOwn(scalings, name)) return name as ScalingName;
  const known = Object.keys(scalings).join(', ');
  const field = Object.hasOwn(json, 'type') && !Object.hasOwn(json, 'rope_type') ? 'type' : 'rope_type';
  throw new ModelError(place(field), `is ${JSON.stringify(name)}, supported is one of ${known}`);
}

/** Zero stands for the default, as in transformers, where it would make no ramp. */
function yarnScaling(fields: ScalingFields<'yarn'>, originalMaxPositions: number): RopeScaling {
  const { mscale, mscale_all_dim: mscaleAllDim } = fields;
  const derived =
    mscale && mscaleAllDim
      ? magnitude(fields.factor, mscale) / magnitude(fields.factor, mscaleAllDim)
      : magnitude(fields.factor, 1);
  return {
    type: 'yarn',
    factor: fields.factor,
    originalMaxPositions,
    betaFast: fields.beta_fast || 32,
    betaSlow: fields.beta_slow || 1,
    attentionFactor: fields.attention_factor ?? derived,
    truncate: fields.truncate ?? true,
  };
}

function stretched(positions: number, factor: number): number {
  return Math.min(Math.floor(positions * factor), NUM_POSITIONS_MAX);
}

/** What MLA multiplies its scores by where the settings of any scaling have mscale_all_dim. */
function scoreGrowth(scaling: RopeScaling, mscaleAllDim: number): number {
  return 'factor' in scaling ? magnitude(scaling.factor, mscaleAllDim) ** 2 : 1;
}

/** YaRN's growth of the scores with the stretch of the context (yarn_get_mscale). */
function magnitude(stretch: number, mscale: number): number {
  return stretch <= 1 ? 1 : 0.1 * mscale * Math.log(stretch) + 1;
}
