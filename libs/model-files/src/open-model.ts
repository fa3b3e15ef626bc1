// Opens a Hugging Face model directory or a GGUF file: shape, weight plan, tokenizer and defaults. Called at the start of the router and
// of every task executor. Reads configurations and tensor headers; tensors are mapped later by the native executor.
import { createHash } from 'node:crypto';
import { basename, join, resolve } from 'node:path';
import {
  choosePolicy,
  type ExecutorSpec,
  ModelError,
  type ModelSpec,
  makeWeightPlan,
  type NumericPolicy,
  type PolicyChoice,
  parseGenerationDefaults,
  parseModelConfig,
  type SamplingDefaults,
  toExecutorSpec,
  type WeightPlan,
  type WeightTensor,
} from '@switchyard/model';
import { Tokenizer, type TokenizerFiles } from '@switchyard/tokenizer';
import { readGgufFile } from './gguf-file.js';
import { tokenizerFilesOf } from './gguf-tokenizer.js';
import { readJson, readJsonIfThere, readTextIfThere } from './json-file.js';
import { GGUF_ENDING, modelNameOf } from './named-models.js';
import { readWeightFiles, type WeightFile } from './weight-files.js';

export { type PolicyChoice, policyChoices } from '@switchyard/model';

export interface OpenModelOptions {
  /** The name clients ask for; that of the directory or file where absent. */
  name?: string;
  /** In which numeric policy to serve it; the checkpoint's own where absent. */
  policy?: PolicyChoice;
}

/** A model as its files describe it. */
export interface ReadModel {
  name: string;
  /** The directory or the GGUF file, absolute; file names in the weight plan are absolute too. */
  dir: string;
  spec: ModelSpec;
  weights: WeightPlan;
  /** Made on first use, since large vocabularies take half a second; throws TokenizerError when its files are bad. */
  readonly tokenizer: Tokenizer;
  samplingDefaults: SamplingDefaults;
  /** Prompt and answer together, in tokens. */
  contextTokens: number;
  /** What in the directory is not used, in words for the log. */
  warnings: string[];
}

/** A model that can be served; the warnings are those of its policy too. */
export interface OpenedModel extends ReadModel {
  /** The spec in the native executor's form. */
  executorSpec: ExecutorSpec;
  /** The numeric policy that it is served in. */
  policy: NumericPolicy;
}

/**
 * Opens a model directory or a GGUF file (a path that ends with .gguf; of a model in several files, the first) for serving.
 *
 * @throws ModelError naming the file, field or tensor for anything missing, damaged, inconsistent, not supported, or known
 * to this library but not yet to the executor; or the policy that the checkpoint is not made for.
 */
export async function openModel(dir: string, options: OpenModelOptions = {}): Promise<OpenedModel> {
  const model = await readModel(dir, options);
  const policy = choosePolicy(model.spec, model.weights, options.policy);
  const warnings = [...model.warnings, ...policyWarnings(model.spec, policy)];
  // Not a copy, which would make the tokenizer now.
  return Object.assign(model, { executorSpec: toExecutorSpec(model.spec), policy, warnings });
}

/**
 * Reads what a model directory or a GGUF file holds, whether or not the executor can run it.
 *
 * @throws ModelError as openModel does, but for the executor's limits.
 */
export async function readModel(dir: string, options: OpenModelOptions = {}): Promise<ReadModel> {
  const root = resolve(dir);
  return root.endsWith(GGUF_ENDING) ? readGguf(root, options) : readDirectory(root, options);
}

function readGguf(path: string, options: OpenModelOptions): ReadModel {
  const { spec, plan, unused, described, tokenizer } = readGgufFile(path);
  const parts = {
    name: options.name ?? modelNameOf(path),
    dir: path,
    spec,
    weights: plan,
    samplingDefaults: parseGenerationDefaults(undefined).sampling,
    contextTokens: spec.maxPositions,
    warnings: describeWarnings(unused, [], described, spec),
  };
  return withTokenizer(parts, () => tokenizerFilesOf(tokenizer, basename(path)));
}

function readDirectory(root: string, options: OpenModelOptions): ReadModel {
  const config = readJson(root, 'config.json');
  const generation = readJsonIfThere(root, 'generation_config.json');
  const described = parseModelConfig(config.json, generation?.json);
  const defaults = parseGenerationDefaults(generation?.json);
  const tokenizerFile = readJson(root, 'tokenizer.json');
  const tokenizerConfig = readJsonIfThere(root, 'tokenizer_config.json');
  const chatTemplate = readTextIfThere(root, 'chat_template.jinja');
  const tokenizerFiles: TokenizerFiles = {
    tokenizer: tokenizerFile.json,
    config: tokenizerConfig?.json ?? {},
    ...(chatTemplate !== undefined && { chatTemplate }),
  };
  const weightFiles = readWeightFiles(root);
  const digest = digestOf(config.bytes, tokenizerFile.bytes, weightFiles);
  const { plan, spec, unused } = makeWeightPlan(described, absoluteTensors(root, weightFiles), digest);
  const parts = {
    name: options.name ?? modelNameOf(root),
    dir: root,
    spec,
    weights: plan,
    samplingDefaults: defaults.sampling,
    contextTokens: spec.maxPositions,
    warnings: describeWarnings(unused, defaults.ignored, described, spec),
  };
  return withTokenizer(parts, () => tokenizerFiles);
}

function withTokenizer(parts: Omit<ReadModel, 'tokenizer'>, files: () => TokenizerFiles): ReadModel {
  let tokenizer: Tokenizer | undefined;
  return {
    ...parts,
    get tokenizer() {
      tokenizer ??= makeTokenizer(parts.spec, files());
      return tokenizer;
    },
  };
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

function makeTokenizer(spec: ModelSpec, files: TokenizerFiles): Tokenizer {
  const tokenizer = new Tokenizer(files);
  if (tokenizer.vocabSize > spec.vocabSize) {
    throw new ModelError(
      'tokenizer.json',
      `has ids up to ${tokenizer.vocabSize - 1}, the model's vocab_size is ${spec.vocabSize}`,
    );
  }
  return tokenizer;
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

/** What a policy leaves out of what the configuration says. */
function policyWarnings({ quantization }: ModelSpec, policy: NumericPolicy): string[] {
  if (typeof quantization !== 'object' || quantization.activations === null || policy === 'w8a8') return [];
  const [type] = quantization.activations.split('-');
  return [
    `activations are not rounded to ${type} as the configuration says: weights are widened to fp32 (class dequant)`,
  ];
}
