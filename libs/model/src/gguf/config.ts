// From the metadata of a GGUF file to the ModelSpec of its family: fields are brought into the form of a config.json by the
// data of architectures.ts, so that the same code checks them, and errors call them by their key. Called by gguf/model.ts.
import { parseFamilyConfig } from '../config.js';
import { isPlain } from '../dtype.js';
import { ModelError } from '../error.js';
import { families } from '../families/index.js';
import type { Family } from '../family.js';
import type { Place } from '../parse-with.js';
import type { ModelSpec, RopeScaling } from '../spec.js';
import type { GgufFamily } from './family.js';
import type { GgufHeader } from './header.js';
import type { MetadataView } from './metadata.js';
import { ropeParameters, ropeScalingKeys } from './rope.js';

const ARCHITECTURE = 'general.architecture';

/** A family that llama.cpp has an architecture for. */
type ReadableFamily = Family & { gguf: GgufFamily };

export interface GgufConfig {
  family: ReadableFamily;
  spec: ModelSpec;
}

/** @throws ModelError naming file and key of the first field that is impossible, contradicts another or is not supported. */
export function parseGgufConfig(header: GgufHeader): GgufConfig {
  const { metadata } = header;
  const family = findFamily(metadata);
  const keys = new ArchitectureKeys(metadata, family.gguf);
  checkOnly(keys, family.gguf);
  const shape = new TensorShapes(header);
  const config = {
    hidden_act: 'silu',
    ...family.gguf.constants,
    ...fieldsOf(keys, family.gguf),
    ...presenceOf(shape, family.gguf),
    ...layerFields(keys),
    ...(family.attention.kind === 'mla' ? mlaFields(keys) : {}),
    vocab_size: shape.rows('token_embd.weight'),
    tie_word_embeddings: !shape.has('output.weight'),
    eos_token_id: endTokens(metadata),
    rope_parameters: ropeParameters(keys),
  };
  const spec = parseFamilyConfig(family, config, placeOf(keys, family.gguf));
  checkHeads(spec, keys);
  const { ropeInterleaved } = family.gguf;
  return { family, spec: { ...spec, ropeInterleaved, ...overrides(spec, keys, shape, header) } };
}

/** Metadata of the file's architecture, by keys without the architecture in front. */
export class ArchitectureKeys {
  readonly #prefix: string;

  constructor(
    readonly metadata: MetadataView,
    family: GgufFamily,
  ) {
    this.#prefix = `${family.architecture}.`;
  }

  get(key: string): unknown {
    return this.metadata.get(this.#prefix + key);
  }

  number(key: string): number | undefined {
    return this.metadata.number(this.#prefix + key);
  }

  text(key: string): string | undefined {
    return this.metadata.text(this.#prefix + key);
  }

  /** What errors call a key. */
  name(key: string): string {
    return `${this.metadata.file}:${this.#prefix}${key}`;
  }
}

/** What the configuration must know of the tensors. */
class TensorShapes {
  readonly #nameToShape: ReadonlyMap<string, number[]>;
  readonly #file: string;

  constructor({ tensors, metadata }: GgufHeader) {
    this.#nameToShape = new Map(tensors.map(({ name, shape }) => [name, shape]));
    this.#file = metadata.file;
  }

  has(name: string): boolean {
    return this.#nameToShape.has(name);
  }

  rows(name: string): number {
    const rows = this.#nameToShape.get(name)?.[0];
    if (rows === undefined) throw new ModelError(name, `is missing in ${this.#file}`);
    return rows;
  }
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

function checkOnly(keys: ArchitectureKeys, { only }: GgufFamily): void {
  for (const [key, allowed] of Object.entries(only)) {
    if (allowed.includes(keys.get(key))) continue;
    const text = allowed.map((value) => value ?? 'none').join(' or ');
    throw new ModelError(keys.name(key), `is ${keys.get(key)}, supported is ${text}`);
  }
}

function fieldsOf(keys: ArchitectureKeys, family: GgufFamily): Record<string, unknown> {
  const values = Object.entries(family.fields).map(([field, key]) => [field, keys.get(key)]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

function presenceOf(shape: TensorShapes, family: GgufFamily): Record<string, boolean> {
  return Object.fromEntries(Object.entries(family.presence).map(([field, tensor]) => [field, shape.has(tensor)]));
}

/** block_count includes MTP layers. */
function layerFields(keys: ArchitectureKeys): Record<string, unknown> {
  const numBlocks = keys.number('block_count');
  const numMtp = keys.number('nextn_predict_layers') ?? 0;
  return { num_hidden_layers: numBlocks === undefined ? undefined : numBlocks - numMtp };
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

/** What else a GGUF file stores otherwise than a safetensors file of the same model. */
function overrides(
  spec: ModelSpec,
  keys: ArchitectureKeys,
  shape: TensorShapes,
  { tensors }: GgufHeader,
): Partial<ModelSpec> {
  return {
    ropeScaling: ropeScalingOf(spec, shape, keys),
    rotaryDim: rotaryDimOf(spec, keys),
    hasSplitKvB: spec.attention === 'mla' && shape.has('blk.0.attn_k_b.weight'),
    quantization: tensors.some(({ dtype }) => !isPlain(dtype)) ? 'gguf' : 'none',
  };
}

/** Values as wide as keys, and no window: llama.cpp ignores windows of these architectures, other readers would not. */
function checkHeads(spec: ModelSpec, keys: ArchitectureKeys): void {
  if (spec.attention === 'mla') return;
  const valueLength = keys.number('attention.value_length') ?? spec.vHeadDim;
  if (valueLength !== spec.vHeadDim) {
    throw new ModelError(keys.name('attention.value_length'), `is ${valueLength}, must be ${spec.vHeadDim}, as keys`);
  }
  const window = keys.number('attention.sliding_window') ?? 0;
  if (window > 0 && window < spec.maxPositions) {
    throw new ModelError(
      keys.name('attention.sliding_window'),
      `is ${window}, windows are not supported in GGUF files`,
    );
  }
}

function ropeScalingOf(spec: ModelSpec, shape: TensorShapes, keys: ArchitectureKeys): RopeScaling {
  if (!shape.has('rope_freqs.weight')) return spec.ropeScaling;
  if (spec.ropeScaling.type === 'default') return { type: 'tensor' };
  throw new ModelError(
    keys.name('rope.scaling.type'),
    `is ${spec.ropeScaling.type}, and there is rope_freqs.weight too`,
  );
}

function rotaryDimOf(spec: ModelSpec, keys: ArchitectureKeys): number {
  const rotaryDim = keys.number('rope.dimension_count') ?? spec.rotaryDim;
  const isPossible = Number.isInteger(rotaryDim) && rotaryDim >= 2 && rotaryDim % 2 === 0 && rotaryDim <= spec.headDim;
  if (isPossible) return rotaryDim;
  throw new ModelError(keys.name('rope.dimension_count'), `is ${rotaryDim}, must be even and at most ${spec.headDim}`);
}
