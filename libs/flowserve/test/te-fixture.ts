// A TE over a model rank (test/model-rank.ts) with the shipped tokenizer: what the tests of handles and services build on.

import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { openModel } from '@switchyard/model-files';
import {
  type Clock,
  DpGroupMaster,
  KvHandles,
  type MasterOptions,
  type ServedModel,
  systemClock,
} from '../src/index.js';
import { layerGroupsOf } from '../src/kv/layer-groups.js';
import { ModelRank } from './model-rank.js';

const opened = await openModel(fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url)));

export const model: ServedModel = {
  name: 'tiny',
  digest: opened.weights.digest,
  numericClass: 'model',
  vocabSize: opened.spec.vocabSize,
  contextTokens: 200,
  tokenizer: opened.tokenizer,
};

export const identity = { requestId: 'request-1', jobId: 'job-1', taskId: 'task-1', tenant: 'default', cacheSalt: '' };

export interface TestTe {
  rank: ModelRank;
  master: DpGroupMaster;
  handles: KvHandles;
}

export interface TestTeOptions {
  id?: string;
  numBlocks?: number;
  blockTokens?: number;
  sourceRank?: ModelRank | null;
  clock?: Clock;
  master?: Partial<MasterOptions>;
}

export function makeMaster(executor: MasterOptions['executor'], options: Partial<MasterOptions> = {}): DpGroupMaster {
  return new DpGroupMaster({
    name: 'test/dp0',
    epoch: 7n,
    executor,
    clock: systemClock,
    maxBatchSize: 8,
    maxQueue: 8,
    maxPrefillTokens: 32,
    ackTimeoutMs: 10_000,
    memberOfRank: (rank) => `expert-${rank}`,
    onReadiness: () => {},
    onLost: () => {},
    ...options,
  });
}

export function makeTe(options: TestTeOptions = {}): TestTe {
  const { id = 'prefill-0', numBlocks = 64, blockTokens = 4, sourceRank = null, clock = systemClock } = options;
  const rank = new ModelRank(numBlocks, blockTokens, sourceRank);
  const master = makeMaster(rank, { clock, ...options.master });
  const handles = new KvHandles({
    owner: id,
    ownerEpoch: 5n,
    model,
    layoutVersion: rank.info.layoutVersion,
    layerGroups: layerGroupsOf(rank.info),
    leaseMs: 30_000,
    clock,
    randomBytes,
    region: { rank: 3, rankEpoch: 5n, regionOffset: 0n, generationOffset: 4096n, blockBytes: 64, layoutVersion: 1 },
  });
  return { rank, master, handles };
}
