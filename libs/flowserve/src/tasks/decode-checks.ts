// Checks of the two messages of a decode stream, before anything is claimed or queued.
import { ServiceError } from '@switchyard/kit';
import type { SamplingSpec } from '@switchyard/native';
import { type common, task } from '@switchyard/proto';
import type { ExecutorInfo } from '../executor/executor.js';
import { layerGroupsOf } from '../kv/layer-groups.js';
import { required } from '../wire.js';
import {
  checkContext,
  checkIdentity,
  checkModel,
  checkSampling,
  checkStop,
  checkTokenIds,
  type ServedModel,
} from './validate.js';

export interface CheckedReserve {
  identity: common.RequestIdentity;
  numPromptTokens: number;
  sampling: SamplingSpec;
  stop: common.StopConditions;
  /** Prompt and longest answer. */
  maxTokensTotal: number;
}

/** Throws INVALID_ARGUMENT, MODEL_NOT_FOUND or CONTEXT_LENGTH_EXCEEDED. */
export function checkReserve(reserve: task.DecodeReserve, model: ServedModel): CheckedReserve {
  const identity = checkIdentity(reserve.identity);
  checkModel(reserve.model, model);
  const { numPromptTokens } = reserve;
  if (numPromptTokens < 1) {
    throw new ServiceError('INVALID_ARGUMENT', 'num_prompt_tokens is 0', { field: 'num_prompt_tokens' });
  }
  const stop = checkStop(reserve.stop);
  checkContext(numPromptTokens, stop.maxTokens, model);
  const sampling = checkSampling(reserve.sampling);
  return { identity, numPromptTokens, sampling, stop, maxTokensTotal: numPromptTokens + stop.maxTokens };
}

/**
 * The handle of a start message, once everything in it agrees with the reservation and with the rank that will hold the blocks.
 * Throws INVALID_ARGUMENT, HANDLE_FOREIGN or MISMATCH.
 */
export function checkStart(
  start: task.DecodeStart,
  reserve: CheckedReserve,
  rank: ExecutorInfo,
  model: ServedModel,
): task.KvHandle {
  const handle = required(start.handle, 'start.handle');
  checkTokenIds(start.tokenIds, model);
  const numGenerated = start.tokenIds.length - reserve.numPromptTokens;
  if (numGenerated < 1 || numGenerated >= reserve.stop.maxTokens) {
    const text = `${numGenerated} generated tokens of at most ${reserve.stop.maxTokens}`;
    throw new ServiceError('INVALID_ARGUMENT', text, { field: 'start.token_ids' });
  }
  const { tenant, cacheSalt } = required(handle.identity, 'start.handle.identity');
  if (tenant !== reserve.identity.tenant || cacheSalt !== reserve.identity.cacheSalt) {
    throw new ServiceError('HANDLE_FOREIGN', 'the KV handle is of another tenant or cache salt');
  }
  checkCompatible(handle, rank, model);
  if (handle.numTokens !== start.tokenIds.length - 1) {
    const text = `the KV handle holds ${handle.numTokens} positions, the tokens need ${start.tokenIds.length - 1}`;
    throw new ServiceError('MISMATCH', text, { field: 'start.handle.num_tokens' });
  }
  // Some kernel classes give other KV for a prompt's tokens than for the same tokens generated.
  if (handle.numPromptTokens !== reserve.numPromptTokens) {
    const text = `the KV handle is of ${handle.numPromptTokens} prompt tokens, the request has ${reserve.numPromptTokens}`;
    throw new ServiceError('MISMATCH', text, { field: 'start.handle.num_prompt_tokens' });
  }
  return handle;
}

function checkCompatible(handle: task.KvHandle, rank: ExecutorInfo, model: ServedModel): void {
  const pairs = [
    ['model', handle.model, model.name],
    ['model_digest', handle.modelDigest, model.digest],
    ['numeric_class', handle.numericClass, rank.numericClass],
    ['layout_version', handle.layoutVersion, rank.layoutVersion],
    ['layer_groups', groupNames(handle.layerGroups), groupNames(layerGroupsOf(rank))],
  ] as const;
  for (const [field, theirs, ours] of pairs) {
    if (theirs === ours) continue;
    const text = `the KV handle has ${field} ${theirs}, this TE has ${ours}`;
    throw new ServiceError('MISMATCH', text, { field: `start.handle.${field}` });
  }
}

/** As MAIN+MTP. */
function groupNames(groups: readonly task.LayerGroup[]): string {
  return groups.map((group) => task.layerGroupToJSON(group).replace('LAYER_GROUP_', '')).join('+');
}
