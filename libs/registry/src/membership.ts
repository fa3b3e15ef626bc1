// What a service knows of the system it is part of. Two implementations: by the cluster-manager and by static peers.
import type { cluster } from '@switchyard/proto';

export type Member = cluster.Member;

/** Ranks of one communicator at most, and so members of a system that has one; equal in all of them. */
export const maxRanks = 64;

/** What a service says of itself when it joins; id and address come from its context. */
export interface SelfDescription {
  kind: cluster.MemberKind;
  /** TE the member belongs to: the decode TE's id for its attention and expert ranks. */
  te?: string;
  /** True for a decode member that also serves PrefillService. */
  colocated?: boolean;
}

export interface MemberPatch {
  state?: cluster.MemberState;
  /** `rank` is ignored: it is this membership's own. */
  xccl?: cluster.XcclEndpoint;
  model?: cluster.ServedModel;
  /** Undefined ends it. */
  loading?: cluster.LoadProgress | undefined;
}

export interface Membership {
  readonly id: string;
  /** This process's epoch: larger than that of every earlier start. */
  readonly epoch: bigint;
  /** Rank in the communicator; stable for an id. */
  readonly xcclRank: number;
  /** Secret that all ranks of the communicator share, 16 bytes. */
  readonly xcclNonce: Uint8Array;
  /** This member as it tells others of itself. */
  self(): Member;
  /** All members last seen, ordered by id, this one included. */
  members(): Member[];
  /** Calls back after each change of members(), with the new list. Returns the end of the subscription. */
  onChange(callback: (members: Member[]) => void): () => void;
  /** Changes what is told of this member; it is sent at once, again and again until it arrives. */
  update(patch: MemberPatch): void;
  /** The first defined answer of `select`, asked now and after each change. Rejects with TIMEOUT, or CANCELLED by `signal`. */
  waitFor<T>(select: (members: Member[]) => T | undefined, timeoutMs: number, signal?: AbortSignal): Promise<T>;
  /** gRPC address of a member. MEMBER_UNAVAILABLE when it is not there, STALE when it has another epoch than asked for. */
  connectTo(memberId: string, epoch?: bigint): string;
  /** Leaves at once. */
  close(): Promise<void>;
}
