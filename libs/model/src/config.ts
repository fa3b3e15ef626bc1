// Turns a Hugging Face config.json (and generation_config.json) into a ModelSpec. Called by libs/model-files.
// A model we would run wrongly must not get past here: every field that changes the mathematics of its family is either
// taken over or refused by name. Fields that the family's own code does not read are ignored, as that code does.
import { z } from 'zod';
import { attentionSpec } from './config-attention.js';
import { type ConfigField, type ConfigValues, configFields, dtypeField, tokenIds } from './config-fields.js';
import { moeSpec } from './config-moe.js';
import { type Choose, numLayersOf } from './config-values.js';
import { ModelError } from './error.js';
import { findFamily } from './families/index.js';
import type { Choice, Family } from './family.js';
import { type Place, parseWith, placeIn } from './parse-with.js';
import { parseQuantization } from './quantization.js';
import { parseRope, ropeFields } from './rope.js';
import { chooseNumSlices } from './slices.js';
import type { ModelSpec } from './spec.js';

const CONFIG = 'config.json';
const GENERATION = 'generation_config.json';

const generationConfig = z.looseObject({ eos_token_id: tokenIds.nullish() });

/**
 * Reads a model's configuration.
 *
 * @param json Parsed config.json.
 * @param generation Parsed generation_config.json, whose end-of-sequence ids go before those of config.json.
 * @throws ModelError naming the first field that is impossible, contradicts another or is not supported.
 */
export function parseModelConfig(json: unknown, generation?: unknown): ModelSpec {
  const config = parseWith(z.looseObject({}), json, placeIn(CONFIG));
  const spec = parseFamilyConfig(findFamily(config, CONFIG), config, placeIn(CONFIG));
  if (generation === undefined) return spec;
  const eos = parseWith(generationConfig, generation, placeIn(GENERATION)).eos_token_id;
  return eos == null ? spec : { ...spec, eosTokenIds: eosIds(eos, spec.vocabSize) };
}

/**
 * Reads a configuration as that of a given family.
 *
 * @param json Fields as in config.json, wherever they come from.
 * @param place What errors call a field.
 */
export function parseFamilyConfig(family: Family, json: unknown, place: Place): ModelSpec {
  const config = readFields(family, json, place);
  const rope = parseRope(family, config, place);
  const choose: Choose = (choice) => chosen(config, choice);
  const vocabSize = config.vocab_size as number;
  const spec: ModelSpec = {
    family: family.name,
    vocabSize,
    hiddenSize: config.hidden_size as number,
    numLayers: numLayersOf(config),
    tieWordEmbeddings: config.tie_word_embeddings as boolean,
    rmsNormEps: config.rms_norm_eps as number,
    maxPositions: rope.maxPositions,
    numMtpLayers: Math.max(config.num_nextn_predict_layers ?? 0, config.num_mtp_layers ?? 0),
    ...attentionSpec(family.attention, config, rope, choose, place),
    ropeTheta: rope.theta,
    ropeScaling: rope.scaling,
    ropeInterleaved: choose(family.ropeInterleaved),
    hasFfnBias: choose(family.hasFfnBias),
    ...moeSpec(family.moe, config, choose, place),
    quantization: parseQuantization(config.quantization_config, place),
    numSlices: 1,
    eosTokenIds: eosIds(config.eos_token_id ?? [], vocabSize),
  };
  return { ...spec, numSlices: chooseNumSlices(spec) };
}

/** The fields that the family reads, checked one by one, with defaults for what is left out. */
function readFields(
  family: Family,
  json: unknown,
  place: Place,
): ConfigValues & { [Field in keyof typeof ropeFields]?: unknown } & { quantization_config?: unknown } {
  const config = parseWith(schemaOf(family), withoutAliases(family, json, place), place);
  for (const [field, allowed] of Object.entries(family.only)) {
    const value = config[field];
    if (value === undefined || allowed.includes(value)) continue;
    const text = allowed.map((one) => JSON.stringify(one)).join(' or ');
    throw new ModelError(place(field), `is ${JSON.stringify(value)}, supported is ${text}`);
  }
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  return { ...family.optional, ...Object.fromEntries(given) };
}

/** The configuration with every field under the name that this library has for it. */
function withoutAliases(family: Family, json: unknown, place: Place): Record<string, unknown> {
  const config = { ...parseWith(z.looseObject({}), json, place) };
  for (const [alias, field] of Object.entries(family.aliases ?? {})) {
    const value = config[alias];
    if (value === undefined) continue;
    config[field] ??= value;
    if (config[field] !== value) throw new ModelError(place(alias), `contradicts ${field}`);
  }
  return config;
}

/** All other fields are dropped: the family's own code does not read them. */
function schemaOf(family: Family): z.ZodType<Record<string, unknown>> {
  const fields: Record<string, z.ZodType> = { ...ropeFields, quantization_config: z.unknown().optional() };
  for (const field of Object.keys(family.only)) fields[field] = z.unknown().optional();
  fields.hidden_act = z.string();
  fields.torch_dtype = fields.dtype = dtypeField;
  for (const field of Object.keys(family.optional)) fields[field] = configFields[field as ConfigField].optional();
  for (const field of family.required) fields[field] = configFields[field];
  return z.object(fields);
}

function chosen(config: ConfigValues, choice: Choice<boolean>): boolean {
  return typeof choice === 'boolean' ? choice : config[choice.field] === true;
}

/** Ids beyond the vocabulary end nothing: a model made smaller keeps those of the large one's configuration. */
function eosIds(eos: number | number[], vocabSize: number): number[] {
  return [...new Set(Array.isArray(eos) ? eos : [eos])].filter((id) => id < vocabSize);
}
