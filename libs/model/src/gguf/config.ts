// From the metadata of a GGUF file to the ModelSpec of its family: fields are brought into the form of a config.json by the
// data of architectures.ts, so that the same code checks them, and errors call them by their key. Called by gguf/model.ts.
import { parseFamilyConfig } from '../config.js';
import type { ConfigField } from '../config-fields.js';
import { ModelError } from '../error.js';
import { families } from '../families/index.js';
import type { Family, TensorNames } from '../family.js';
import type { Place } from '../parse-with.js';
import type { ModelSpec } from '../spec.js';
import { ArchitectureKeys } from './architecture-keys.js';
import { expertByExpertNames, neutralValues } from './architectures.js';
import type { GgufFamily } from './family.js';
import type { GgufHeader } from './header.js';
import type { MetadataView } from './metadata.js';
import { applyOverrides } from './overrides.js';
import { ropeParameters, ropeScalingKeys } from './rope.js';
import { TensorShapes } from './tensor-shapes.js';

const ARCHITECTURE = 'general.architecture';

/** A family that llama.cpp has an architecture for. */
type ReadableFamily = Family & { gguf: GgufFamily };

/** What a key means that is not there (llama.cpp, llama_model::load_hparams); heads without a length share the hidden size. */
const defaults = { hidden_act: 'silu', rope_theta: 10_000, head_dim: null, num_key_value_heads: null };

export interface GgufConfig {
  spec: ModelSpec;
  /** What the file calls tensors. */
  names: TensorNames;
}

/** @throws ModelError naming file and key of the first field that is impossible, contradicts another or is not supported. */
export function parseGgufConfig(header: GgufHeader): GgufConfig {
  const { metadata } = header;
  const family = findFamily(metadata);
  const { gguf } = family;
  const keys = new ArchitectureKeys(metadata, gguf.architecture);
  const isMla = family.attention.kind === 'mla';
  checkValues(keys, { ...neutralValues, ...gguf.only });
  const shapes = new TensorShapes(header);
  const config = {
    ...defaults,
    ...gguf.constants,
    ...fieldsOf(keys, gguf),
    ...presenceOf(shapes, gguf),
    ...layerFields(keys),
    ...widthFields(keys, gguf),
    ...(isMla ? mlaFields(keys) : {}),
    vocab_size: shapes.rows('token_embd.weight'),
    tie_word_embeddings: !shapes.has('output.weight'),
    eos_token_id: endTokens(metadata),
    rope_parameters: ropeParameters(keys, isMla),
  };
  const spec = parseFamilyConfig(family, config, placeOf(keys, gguf));
  return { spec: applyOverrides(spec, gguf, keys, shapes, header), names: namesOf(gguf, shapes) };
}

function findFamily(metadata: MetadataView): ReadableFamily {
  const architecture = metadata.text(ARCHITECTURE);
  const readable = families.filter((family): family is ReadableFamily => family.gguf !== null);
  const candidates = readable.filter((family) => family.gguf.architecture === architecture);
  const known = [...new Set(readable.map((family) => family.gguf.architecture))].join(', ');
  if (candidates.length === 0) {
    const problem = `is ${architecture ?? 'missing'}, supported is one of ${known}`;
    throw new ModelError(`${metadata.file}:${ARCHITECTURE}`, problem);
  }
  const found =
    candidates.find(({ gguf }) => gguf.when && matches(metadata, gguf, gguf.when)) ??
    candidates.find(({ gguf }) => !gguf.when);
  if (found) return found;
  const keys = candidates.map(({ gguf }) => `${gguf.architecture}.${gguf.when?.key}`);
  throw new ModelError(`${metadata.file}:${keys[0]}`, `is ${metadata.get(keys[0] as string)}, which is not supported`);
}

function matches(metadata: MetadataView, { architecture }: GgufFamily, when: NonNullable<GgufFamily['when']>): boolean {
  return when.isOneOf.includes(metadata.get(`${architecture}.${when.key}`));
}

function checkValues(keys: ArchitectureKeys, only: Readonly<Record<string, readonly unknown[]>>): void {
  for (const [key, allowed] of Object.entries(only)) {
    const value = keys.get(key);
    if (allowed.includes(value)) continue;
    const text = allowed.map((one) => one ?? 'none').join(' or ');
    throw new ModelError(keys.name(key), `is ${value}, supported is ${text}`);
  }
}

function fieldsOf(keys: ArchitectureKeys, family: GgufFamily): Record<string, unknown> {
  const values = Object.entries(family.fields).map(([field, key]) => [field, keys.get(key)]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function presenceOf(shapes: TensorShapes, family: GgufFamily): Record<string, boolean> {
  return Object.fromEntries(Object.entries(family.presence).map(([field, tensor]) => [field, shapes.has(tensor)]));
}

/** block_count includes MTP layers. */
function layerFields(keys: ArchitectureKeys): Record<string, unknown> {
  const numBlocks = keys.number('block_count');
  const numMtp = keys.number('nextn_predict_layers') ?? 0;
  return { num_hidden_layers: numBlocks === undefined ? undefined : numBlocks - numMtp };
}

/** Widths of experts that older files leave out: llama.cpp then shares the dense width among those of a token. */
function widthFields(keys: ArchitectureKeys, { fields }: GgufFamily): Record<string, unknown> {
  const width = keys.number('feed_forward_length');
  const numUsed = keys.number('expert_used_count');
  const isLeftOut = (field: ConfigField) => fields[field] !== undefined && keys.get(fields[field]) === undefined;
  if (width === undefined || numUsed === undefined) return {};
  return {
    ...(isLeftOut('moe_intermediate_size') && { moe_intermediate_size: width / numUsed }),
    ...(isLeftOut('shared_expert_intermediate_size') && { shared_expert_intermediate_size: width }),
  };
}

/** Newer files describe MLA as attention over latents (key_length) and name the heads' own sizes apart (key_length_mla). */
function mlaFields(keys: ArchitectureKeys): Record<string, unknown> {
  const keyLength = keys.number('attention.key_length_mla') ?? keys.number('attention.key_length');
  const ropeDim = keys.number('rope.dimension_count');
  const isKnown = keyLength !== undefined && ropeDim !== undefined;
  return {
    qk_nope_head_dim: isKnown ? keyLength - ropeDim : undefined,
    v_head_dim: keys.number('attention.value_length_mla') ?? keys.number('attention.value_length'),
  };
}

function endTokens(metadata: MetadataView): number[] | null {
  const names = ['eos_token_id', 'eot_token_id', 'eom_token_id'];
  const ids = names.map((name) => metadata.number(`tokenizer.ggml.${name}`)).filter((id) => id !== undefined);
  return ids.length > 0 ? ids : null;
}

/** Errors call a field by the key that it comes from. */
function placeOf(keys: ArchitectureKeys, { fields }: GgufFamily): Place {
  const others: Record<string, string> = {
    ...fields,
    num_hidden_layers: 'block_count',
    qk_nope_head_dim: 'attention.key_length',
    v_head_dim: 'attention.value_length',
    ...ropeScalingKeys,
  };
  const { file } = keys.metadata;
  return (path) => {
    const key = others[path];
    if (key !== undefined) return keys.name(key);
    if (path.startsWith('eos_token_id')) return `${file}:tokenizer.ggml.eos_token_id`;
    return path === 'vocab_size' ? `${file}:token_embd.weight` : `${file}:${path}`;
  };
}

const EXPERT = /^blk\.\d+\.ffn_(gate|up|down)\.0\.weight$/;

/** The first files of MoE models have a tensor for each expert and not one for all of a layer. */
function namesOf({ names }: GgufFamily, shapes: TensorShapes): TensorNames {
  return shapes.hasAny(EXPERT) ? { ...names, ...expertByExpertNames } : names;
}
