// The one door to a model: opens a Hugging Face directory or a GGUF file, with shape, weight plan, tokenizer and defaults. Called at the
// start of the router and of every task executor. What the files say is kept in the cache; tensors are mapped later by the native executor.
import { resolve } from 'node:path';
import {
  chooseKernelClass,
  choosePolicy,
  type ExecutorSpec,
  type KernelClass,
  ModelError,
  type ModelSpec,
  type NumericPolicy,
  type PolicyChoice,
  toExecutorSpec,
} from '@switchyard/model';
import { flattenTables, Tokenizer, unflattenTables } from '@switchyard/tokenizer';
import { Memo } from './memo.js';
import { modelNameOf } from './named-models.js';
import { type ModelDescription, type ReadFiles, readFiles } from './read-files.js';
import { SeenFiles } from './seen-files.js';

export { type KernelClass, kernelClasses, type PolicyChoice, policyChoices } from '@switchyard/model';

export interface OpenModelOptions {
  /** The name clients ask for; that of the directory or file where absent. */
  name?: string;
  /** In which numeric policy to serve it; the checkpoint's own where absent. */
  policy?: PolicyChoice;
  /** `fma16` where absent. */
  kernelClass?: KernelClass;
  /** Folder where what the files say is kept; without it they are read. */
  cacheDir?: string;
}

/** A model as its files describe it. */
export interface ReadModel extends ModelDescription {
  name: string;
  /** The directory or the GGUF file, absolute. */
  dir: string;
  /** Made on first use, since large vocabularies take half a second; throws TokenizerError when its files are bad. */
  readonly tokenizer: Tokenizer;
}

/** A model that can be served; the warnings are those of its policy too. */
export interface OpenedModel extends ReadModel {
  /** The spec in the native executor's form. */
  executorSpec: ExecutorSpec;
  /** The numeric policy that it is served in. */
  policy: NumericPolicy;
  /** The kernel class that it is served in. */
  kernelClass: KernelClass;
}

/** Of what is kept: to be raised when descriptions or tables of a tokenizer get another form, or say something else of the same files. */
const VERSION = 1;

/**
 * Opens a model directory or a GGUF file (a path that ends with .gguf; of a model in several files, the first) for serving.
 *
 * @throws ModelError naming the file, field or tensor for anything missing, damaged, inconsistent, not supported, or known
 * to this library but not yet to the executor; or the policy or kernel class that the checkpoint is not made for.
 */
export async function openModel(dir: string, options: OpenModelOptions = {}): Promise<OpenedModel> {
  const model = await readModel(dir, options);
  const policy = choosePolicy(model.spec, model.weights, options.policy);
  const kernelClass = chooseKernelClass(model.spec, options.kernelClass);
  const warnings = [...model.warnings, ...policyWarnings(model.spec, policy)];
  // Not a copy, which would make the tokenizer now.
  return Object.assign(model, { executorSpec: toExecutorSpec(model.spec), policy, kernelClass, warnings });
}

/**
 * Reads what a model directory or a GGUF file holds, whether or not the executor can run it.
 *
 * @throws ModelError as openModel does, but for the executor's limits.
 */
export async function readModel(dir: string, options: OpenModelOptions = {}): Promise<ReadModel> {
  const source = new ModelSource(resolve(dir), options.cacheDir);
  const { root, description } = source;
  let tokenizer: Tokenizer | undefined;
  return {
    name: options.name ?? modelNameOf(root),
    dir: root,
    ...description,
    get tokenizer() {
      tokenizer ??= source.makeTokenizer();
      return tokenizer;
    },
  };
}

/** The files of a model, of which nothing is read that the cache knows. */
class ModelSource {
  readonly description: ModelDescription;
  readonly #memos: { description: Memo; tokenizer: Memo } | null;
  #read: { files: ReadFiles; seen: SeenFiles } | undefined;

  constructor(
    readonly root: string,
    cacheDir: string | undefined,
  ) {
    const memo = (dir: string, kind: 'description' | 'tokenizer') => new Memo(dir, root, kind, VERSION);
    this.#memos =
      cacheDir === undefined
        ? null
        : { description: memo(cacheDir, 'description'), tokenizer: memo(cacheDir, 'tokenizer') };
    this.description = this.#findDescription() ?? this.#readDescription();
  }

  /** @throws TokenizerError or ModelError for bad files, and ModelError for files that are no longer those of the description. */
  makeTokenizer(): Tokenizer {
    const kept = this.#memos?.tokenizer.find();
    if (kept && isTokenizerOf(kept.json, this.description)) {
      return new Tokenizer(unflattenTables({ settings: kept.json.settings, arrays: kept.arrays }));
    }
    const { files, seen } = this.#readFiles();
    if (files.description.weights.digest !== this.description.weights.digest) {
      throw new ModelError(this.root, 'has changed since it was opened');
    }
    const tokenizer = Tokenizer.of(files.tokenizerFiles());
    checkVocabulary(tokenizer, this.description.spec);
    const { settings, arrays } = flattenTables(tokenizer.tables);
    this.#memos?.tokenizer.keep({ json: { digest: this.description.weights.digest, settings }, arrays }, seen);
    this.#read = undefined; // a vocabulary as it was parsed takes more memory than its tables
    return tokenizer;
  }

  #findDescription(): ModelDescription | undefined {
    return this.#memos?.description.find()?.json as ModelDescription | undefined;
  }

  #readDescription(): ModelDescription {
    const { files, seen } = this.#readFiles();
    this.#memos?.description.keep({ json: files.description, arrays: [] }, seen);
    return files.description;
  }

  #readFiles(): { files: ReadFiles; seen: SeenFiles } {
    if (this.#read === undefined) {
      const seen = new SeenFiles(Date.now());
      this.#read = { files: readFiles(this.root, seen), seen };
    }
    return this.#read;
  }
}

interface KeptTokenizer {
  digest: string;
  settings: unknown;
}

/** A tokenizer of files as they are now need not be that of a model that was opened before. */
function isTokenizerOf(kept: unknown, { weights }: ModelDescription): kept is KeptTokenizer {
  return (kept as KeptTokenizer).digest === weights.digest;
}

function checkVocabulary({ vocabSize }: Tokenizer, spec: ModelSpec): void {
  if (vocabSize <= spec.vocabSize) return;
  throw new ModelError('tokenizer.json', `has ids up to ${vocabSize - 1}, the model's vocab_size is ${spec.vocabSize}`);
}

/** What a policy leaves out of what the configuration says. */
function policyWarnings({ quantization }: ModelSpec, policy: NumericPolicy): string[] {
  if (typeof quantization !== 'object' || quantization.activations === null || policy === 'w8a8') return [];
  const [type] = quantization.activations.split('-');
  return [
    `activations are not rounded to ${type} as the configuration says: weights are widened to fp32 (class dequant)`,
  ];
}
