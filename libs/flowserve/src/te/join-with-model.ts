// A service's way into the system with a model: opens its description, joins, has its weights prepared while the others see how far that
// is, and announces what it serves. Called first by every app's wiring.
import { FatalStartError, type ServiceContext } from '@switchyard/kit';
import { type KernelClass, ModelError, type PolicyChoice } from '@switchyard/model';
import { type OpenedModel, openModel } from '@switchyard/model-files';
import type { ArenaFile, NativeModule } from '@switchyard/native';
import type { cluster } from '@switchyard/proto';
import { joinCluster, type Membership, type SelfDescription } from '@switchyard/registry';
import { TokenizerError } from '@switchyard/tokenizer';
import type { ServedModel } from '../tasks/validate.js';
import { prepareWeights } from '../weights/prepare-weights.js';
import { WeightsCache } from '../weights/weights-cache.js';

/** Of models that can (docs/decisions/0022-drafts-of-the-mtp-layer.md). */
const numTokensDraftedByDefault = 1;

export interface LoadedModel {
  opened: OpenedModel;
  numericClass: string;
  /** For the membership. */
  registration: cluster.ServedModel;
  /** Null in a process that does not compute with the weights. */
  arena: ArenaFile | null;
  /** Tokens drafted ahead of a decoding sequence at most. */
  numSpeculativeTokens: number;
}

export interface ModelConfig {
  model: string;
  name: string | undefined;
  cacheDir: string | undefined;
  policy: PolicyChoice;
  kernelClass: KernelClass;
  /** Of services that compute KV. */
  numSpeculativeTokens?: number | undefined;
}

/**
 * @param needsArena whether this process computes with the weights
 * @throws FatalStartError for a model or cache that cannot be used: it will not be better after a restart
 */
export async function joinWithModel(
  context: ServiceContext<ServiceContext['config'] & ModelConfig>,
  native: NativeModule,
  self: SelfDescription,
  needsArena: boolean,
): Promise<{ model: LoadedModel; membership: Membership }> {
  const { config, log, signal } = context;
  const cache = new WeightsCache(config.cacheDir);
  const opened = await openDescription(config, cache.dir);
  for (const warning of opened.warnings) log.warn({ model: opened.name }, warning);
  const numSpeculativeTokens = speculativeTokensFor(opened, config.numSpeculativeTokens);
  const membership = await joinCluster(context, self);
  const onProgress = (loading: cluster.LoadProgress) => membership.update({ loading });
  const { name, contextTokens, weights, policy, kernelClass } = opened;
  const options = { native, opened, cache, needsArena, onProgress, signal, log };
  const { digest, arena } = await prepareWeights(options).catch((cause: Error) => {
    if (signal.aborted) throw cause;
    throw new FatalStartError(`cannot load ${config.model}: ${cause.message} (weights cache: ${cache.dir})`);
  });
  const numericClass = native.numericClass(policy, kernelClass);
  const registration = { name, digest, numericClass, contextTokens, descriptionDigest: weights.digest };
  membership.update({ model: registration, loading: undefined });
  return { model: { opened, numericClass, registration, arena, numSpeculativeTokens }, membership };
}

/** @throws FatalStartError when drafts are asked of a model that has no layer for them */
export function speculativeTokensFor({ name, spec }: Pick<OpenedModel, 'name' | 'spec'>, wanted: number | undefined) {
  const hasMtp = spec.numMtpLayers > 0;
  if (wanted !== undefined && wanted > 0 && !hasMtp) {
    const text = `${name} has no multi-token-prediction layer to draft tokens with: num-speculative-tokens must be 0`;
    throw new FatalStartError(text);
  }
  return wanted ?? (hasMtp ? numTokensDraftedByDefault : 0);
}

async function openDescription(config: ModelConfig, cacheDir: string): Promise<OpenedModel> {
  const { model, name, policy, kernelClass } = config;
  try {
    return await openModel(model, { policy, kernelClass, cacheDir, ...(name !== undefined && { name }) });
  } catch (cause) {
    throw asFatal(cause, model);
  }
}

/** What the task services need; builds the tokenizer. FatalStartError when its files are bad. */
export function servedModel({ opened, registration }: LoadedModel): ServedModel {
  try {
    return { ...registration, vocabSize: opened.spec.vocabSize, tokenizer: opened.tokenizer };
  } catch (cause) {
    throw asFatal(cause, opened.dir);
  }
}

function asFatal(cause: unknown, path: string): unknown {
  const isBadFile = cause instanceof ModelError || cause instanceof TokenizerError;
  return isBadFile ? new FatalStartError(`cannot open ${path}: ${cause.message}`) : cause;
}
