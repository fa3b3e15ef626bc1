// What a KV handle stands for inside its TE: a finished prefill of one master, and what must be equal where it is claimed.
import type { common } from '@switchyard/proto';
import type { DpGroupMaster } from '../master/master.js';

export interface HeldKv {
  master: DpGroupMaster;
  seqId: bigint;
  identity: common.RequestIdentity;
  /** Positions held. */
  numTokens: number;
  numPromptTokens: number;
}

/** Where a master's blocks lie for other ranks: the part of a KvLocation that does not depend on the sequence. */
export interface KvRegionAddress {
  rank: number;
  rankEpoch: bigint;
  regionOffset: bigint;
  generationOffset: bigint;
  blockBytes: number;
  layoutVersion: number;
}
