// Rotary positions of a configuration: `rope_theta` with `rope_scaling`, or `rope_parameters`, which holds both and is newer.
// Called by config.ts. Names, defaults and formulas: transformers, modeling_rope_utils.py.
import { z } from 'zod';
import type { ConfigValues } from './config-fields.js';
import { ModelError } from './error.js';
import { type Place, parseWith } from './parse-with.js';
import type { RopeScaling } from './spec.js';

const factor = z.number().min(1).max(1e6);
const positions = z
  .int()
  .min(1)
  .max(1 << 24);
const scale = z.number().min(0).max(1e6);

const scalings = {
  default: z.looseObject({}),
  linear: z.looseObject({ factor }),
  dynamic: z.looseObject({ factor, original_max_position_embeddings: positions.nullish() }),
  yarn: z.looseObject({
    factor,
    original_max_position_embeddings: positions,
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
      original_max_position_embeddings: positions,
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
});

export const ropeFields = { rope_scaling: z.unknown().optional(), rope_parameters: z.unknown().optional() };

export interface Rope {
  theta: number;
  scaling: RopeScaling;
  /** The share of a head that is turned, where the rotary settings hold it. */
  partialFactor: number | undefined;
  /** The scores' extra factor of MLA models with YaRN (mscale_all_dim), 1 for others. */
  attentionScaleFactor: number;
}

/** @param config The fields above as they stand, and those that the family reads. */
export function parseRope(
  config: ConfigValues & { rope_scaling?: unknown; rope_parameters?: unknown },
  isMla: boolean,
  place: Place,
): Rope {
  const field = config.rope_parameters != null ? 'rope_parameters' : 'rope_scaling';
  const placeInside: Place = (path) => place(path === '' ? field : `${field}.${path}`);
  const json = config[field] ?? {};
  const fields = parseWith(common, json, placeInside);
  const theta = fields.rope_theta ?? config.rope_theta;
  if (theta === undefined) throw new ModelError(place('rope_theta'), 'is missing');
  const { scaling, attentionScaleFactor } = parseScaling(json as Record<string, unknown>, config, isMla, placeInside);
  return { theta, scaling, partialFactor: fields.partial_rotary_factor ?? undefined, attentionScaleFactor };
}

function parseScaling(
  json: Record<string, unknown>,
  config: ConfigValues,
  isMla: boolean,
  place: Place,
): { scaling: RopeScaling; attentionScaleFactor: number } {
  const type = findType(json, place);
  if (type === 'yarn') return parseYarn(parseWith(scalings.yarn, json, place), isMla);
  return { scaling: parsePlainScaling(type, json, config, place), attentionScaleFactor: 1 };
}

function findType(json: Record<string, unknown>, place: Place): ScalingName {
  const name = json.rope_type ?? json.type ?? (Object.hasOwn(json, 'factor') ? undefined : 'default');
  if (typeof name === 'string' && Object.hasOwn(scalings, name)) return name as ScalingName;
  const known = Object.keys(scalings).join(', ');
  const field = Object.hasOwn(json, 'type') && !Object.hasOwn(json, 'rope_type') ? 'type' : 'rope_type';
  throw new ModelError(place(field), `is ${JSON.stringify(name)}, supported is one of ${known}`);
}

function parsePlainScaling(
  type: Exclude<ScalingName, 'yarn'>,
  json: Record<string, unknown>,
  config: ConfigValues,
  place: Place,
): RopeScaling {
  switch (type) {
    case 'default':
      return { type };
    case 'linear':
      return { type, factor: parseWith(scalings.linear, json, place).factor };
    case 'dynamic': {
      const fields = parseWith(scalings.dynamic, json, place);
      const original = fields.original_max_position_embeddings ?? (config.max_position_embeddings as number);
      return { type, factor: fields.factor, originalMaxPositions: original };
    }
    case 'llama3': {
      const fields = parseWith(scalings.llama3, json, place);
      return {
        type,
        factor: fields.factor,
        lowFreqFactor: fields.low_freq_factor,
        highFreqFactor: fields.high_freq_factor,
        originalMaxPositions: fields.original_max_position_embeddings,
      };
    }
  }
}

function parseYarn(
  fields: ScalingFields<'yarn'>,
  isMla: boolean,
): { scaling: RopeScaling; attentionScaleFactor: number } {
  const { mscale, mscale_all_dim: mscaleAllDim } = fields;
  const derived =
    mscale && mscaleAllDim
      ? magnitude(fields.factor, mscale) / magnitude(fields.factor, mscaleAllDim)
      : magnitude(fields.factor, 1);
  const scaling: RopeScaling = {
    type: 'yarn',
    factor: fields.factor,
    originalMaxPositions: fields.original_max_position_embeddings,
    betaFast: fields.beta_fast ?? 32,
    betaSlow: fields.beta_slow ?? 1,
    attentionFactor: fields.attention_factor ?? derived,
    truncate: fields.truncate ?? true,
  };
  const attentionScaleFactor = isMla && mscaleAllDim ? magnitude(fields.factor, mscaleAllDim) ** 2 : 1;
  return { scaling, attentionScaleFactor };
}

/** YaRN's growth of the scores with the stretch of the context (yarn_get_mscale). */
function magnitude(stretch: number, mscale: number): number {
  return stretch <= 1 ? 1 : 0.1 * mscale * Math.log(stretch) + 1;
}
