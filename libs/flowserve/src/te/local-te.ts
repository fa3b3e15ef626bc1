// The engine of a TE that runs in this process: executor, its master, and its XCCL rank when other ranks copy KV from or to it.
// Built by the wiring of prefill and of PD and colocated decode.
import type { Meter } from '@opentelemetry/api';
import type { Logger, ServiceError } from '@switchyard/kit';
import type { NativeModule } from '@switchyard/native';
import type { Member, Membership } from '@switchyard/registry';
import { systemClock } from '../clock.js';
import type { InProcessExecutor } from '../executor/in-process.js';
import type { KvRegionAddress } from '../kv/held-kv.js';
import { DpGroupMaster } from '../master/master.js';
import { memberOfRank, RankRuntime } from '../rank/runtime.js';
import { kvPoolShape } from '../rank/sizes.js';
import type { LoadedModel } from './join-with-model.js';
import { openExecutor } from './open-executor.js';

export interface LocalTeOptions {
  native: NativeModule;
  model: LoadedModel;
  membership: Membership;
  config: {
    runDir: string;
    kvBytes: number;
    blockTokens: number;
    maxBatchSize: number;
    maxPrefillTokens: number;
    threads: number;
    maxQueue: number;
    ackTimeoutMs: number;
  };
  /** Whom this rank exchanges KV with; null for a TE that needs no rank. */
  talksTo: ((member: Member) => boolean) | null;
  meter: Meter;
  log: Logger;
  /** The executor or the XCCL rank cannot go on, and with it the process. */
  onLost: (error: ServiceError) => void;
}

export interface LocalTe {
  master: DpGroupMaster;
  rank: RankRuntime | null;
  /** Where other ranks copy KV from. */
  region: KvRegionAddress | null;
  close(): void;
}

export function openLocalTe(options: LocalTeOptions): LocalTe {
  const { membership, config } = options;
  const rank = openRank(options);
  const executor = openExecutor({ ...options, rank, experts: null });
  const { maxBatchSize, maxPrefillTokens, maxQueue, ackTimeoutMs } = config;
  const master = new DpGroupMaster({
    name: `${membership.id}/dp0`,
    epoch: membership.epoch,
    executor,
    clock: systemClock,
    ...{ maxBatchSize, maxPrefillTokens, maxQueue, ackTimeoutMs },
    memberOfRank: (peer) => memberOfRank(membership.members(), peer),
    onReadiness: () => {},
    onLost: options.onLost,
  });
  const close = () => {
    master.close();
    rank?.close();
  };
  return { master, rank, region: rank === null ? null : regionOf(executor, membership), close };
}

function openRank({
  native,
  model,
  membership,
  config,
  talksTo,
  log,
  meter,
  onLost,
}: LocalTeOptions): RankRuntime | null {
  if (talksTo === null) return null;
  const { runDir, kvBytes, blockTokens } = config;
  const { regionBytes: appBytes } = kvPoolShape(model.opened, kvBytes, blockTokens, model.numSpeculativeTokens);
  const { numericClass } = model;
  const identity = { native, membership, runDir, numericClass };
  return new RankRuntime({ ...identity, appBytes, exchange: null, seat: null, talksTo, log, meter, onLost });
}

function regionOf({ region }: InProcessExecutor, membership: Membership): KvRegionAddress {
  const { offset: regionOffset, generationOffset, blockBytes, layoutVersion } = region;
  const { xcclRank: rank, epoch: rankEpoch } = membership;
  return { rank, rankEpoch, regionOffset, generationOffset, blockBytes, layoutVersion };
}
