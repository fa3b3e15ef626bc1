// Reads what a Hugging Face model directory or a GGUF file says of a model: shape, weight plan, defaults, and the parts of its tokenizer.
// Called by open-model.ts when the cache does not know it. Reads configurations and tensor headers, never tensors.
import { createHash } from 'node:crypto';
import { basename, join } from 'node:path';
import {
  type ModelSpec,
  makeWeightPlan,
  parseGenerationDefaults,
  parseModelConfig,
  type SamplingDefaults,
  type WeightPlan,
  type WeightTensor,
} from '@switchyard/model';
import type { TokenizerFiles } from '@switchyard/tokenizer';
import { readGgufFile } from './gguf-file.js';
import { tokenizerFilesOf } from './gguf-tokenizer.js';
import { readJson, readJsonIfThere, readTextIfThere } from './json-file.js';
import { GGUF_ENDING } from './named-models.js';
import type { SeenFiles } from './seen-files.js';
import { readWeightFiles, type WeightFile } from './weight-files.js';

/** A model as its files describe it, but for the tokenizer. Plain data, which is the same after a way through JSON. */
export interface ModelDescription {
  spec: ModelSpec;
  /** File names are absolute. */
  weights: WeightPlan;
  samplingDefaults: SamplingDefaults;
  /** Prompt and answer together, in tokens. */
  contextTokens: number;
  /** What in the files is not used, in words for the log. */
  warnings: string[];
}

export interface ReadFiles {
  description: ModelDescription;
  /** Not in the description, since vocabularies are large and many processes need none. @throws ModelError */
  tokenizerFiles: () => TokenizerFiles;
}

/**
 * @param root Absolute path of a directory, or of a GGUF file.
 * @param seen Is told every file before it is read.
 * @throws ModelError naming the file, field or tensor for anything missing, damaged, inconsistent or not supported.
 */
export function readFiles(root: string, seen: SeenFiles): ReadFiles {
  return root.endsWith(GGUF_ENDING) ? readGguf(root, seen) : readDirectory(root, seen);
}

function readGguf(path: string, seen: SeenFiles): ReadFiles {
  const { spec, plan, unused, described, tokenizer } = readGgufFile(path, seen);
  const description = {
    spec,
    weights: plan,
    samplingDefaults: parseGenerationDefaults(undefined).sampling,
    contextTokens: spec.maxPositions,
    warnings: describeWarnings(unused, [], described, spec),
  };
  return { description, tokenizerFiles: () => tokenizerFilesOf(tokenizer, basename(path)) };
}

function readDirectory(root: string, seen: SeenFiles): ReadFiles {
  const config = readJson(root, 'config.json', seen);
  const generation = readJsonIfThere(root, 'generation_config.json', seen);
  const described = parseModelConfig(config.json, generation?.json);
  const defaults = parseGenerationDefaults(generation?.json);
  const tokenizerFile = readJson(root, 'tokenizer.json', seen);
  const tokenizerConfig = readJsonIfThere(root, 'tokenizer_config.json', seen);
  const chatTemplate = readTextIfThere(root, 'chat_template.jinja', seen);
  const tokenizerFiles: TokenizerFiles = {
    tokenizer: tokenizerFile.json,
    config: tokenizerConfig?.json ?? {},
    ...(chatTemplate !== undefined && { chatTemplate }),
  };
  const weightFiles = readWeightFiles(root, seen);
  const digest = digestOf(config.bytes, tokenizerFile.bytes, weightFiles);
  const { plan, spec, unused } = makeWeightPlan(described, absoluteTensors(root, weightFiles), digest);
  const description = {
    spec,
    weights: plan,
    samplingDefaults: defaults.sampling,
    contextTokens: spec.maxPositions,
    warnings: describeWarnings(unused, defaults.ignored, described, spec),
  };
  return { description, tokenizerFiles: () => tokenizerFiles };
}

/**
 * Identity of a model: SHA-256 over config.json, tokenizer.json and, of each safetensors file, name, size and header.
 * Tensor data is left out, since hashing it would take longer than loading it: two trainings of the same shape, written by
 * the same tool, have equal digests.
 */
function digestOf(config: Uint8Array, tokenizer: Uint8Array, weightFiles: readonly WeightFile[]): string {
  const hash = createHash('sha256');
  // Sizes go first, so that no byte can move from one part to the next unseen.
  const add = (name: string, bytes: Uint8Array) => hash.update(`${name} ${bytes.byteLength}\n`).update(bytes);
  add('config.json', config);
  add('tokenizer.json', tokenizer);
  for (const { file, fileBytes, header } of weightFiles) add(`${file} ${fileBytes}`, header);
  return hash.digest('hex');
}

/** Tensors of all files, with paths that hold wherever a process runs. */
function absoluteTensors(root: string, weightFiles: readonly WeightFile[]): WeightTensor[] {
  return weightFiles.flatMap(({ file, tensors }) => {
    const path = join(root, file);
    return tensors.map((tensor) => ({ ...tensor, file: path }));
  });
}

/** @param described As the configuration says, `spec` as the weights have it. */
function describeWarnings(
  tensors: readonly string[],
  generationFields: readonly string[],
  described: ModelSpec,
  spec: ModelSpec,
): string[] {
  const warnings = generationFields.map((field) => `generation_config.json:${field} is not supported and not applied`);
  if (described.numMtpLayers > spec.numMtpLayers) {
    warnings.push('the configuration names an MTP layer that the weights do not have');
  }
  if (tensors.length > 0) warnings.push(`${tensors.length} tensors are not used: ${tensors.slice(0, 4).join(', ')}`);
  return warnings;
}
