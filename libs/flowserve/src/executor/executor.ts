// What runs the plans of one DP group (D3): in this process or behind a gRPC stream to an attention rank, with the same plans
// and the same events. The DP group's master is the only user. An executor decides nothing.
import type { ServiceError } from '@switchyard/kit';
import type { Plan, SequenceSpec, StepEvent } from '@switchyard/native';

/** Whose work a sequence is; the fields of common.v1.RequestIdentity. */
export interface Identity {
  requestId: string;
  jobId: string;
  taskId: string;
  tenant: string;
  cacheSalt: string;
}

/** A native plan whose sequences say whose work they are. */
export interface ExecutorPlan extends Plan {
  add: (SequenceSpec & { identity: Identity })[];
}

export interface ExecutorInfo {
  /** Member whose XCCL rank holds the blocks: the claimant of KV handles. */
  memberId: string;
  memberEpoch: bigint;
  numBlocks: number;
  /** Positions a block. */
  blockTokens: number;
  blockBytes: number;
  layoutVersion: number;
  numericClass: string;
  /** Tokens it drafts ahead of a decoding sequence at most; above 0 its blocks hold the KV of the MTP layer too. */
  numSpeculativeTokens: number;
}

/** Whether all ranks that a step needs are linked. */
export type Readiness = { ready: true } | { ready: false; member: string; reason: string };

export interface ExecutorListener {
  /** In order, never while another call of the listener runs. */
  onSteps(events: StepEvent[]): void;
  onReadiness(readiness: Readiness): void;
  /** The executor is gone for good; nothing is called after it. */
  onLost(error: ServiceError): void;
}

export interface Executor {
  readonly info: ExecutorInfo;
  /** Begins to call `listener`; the current readiness comes first, within the call. */
  start(listener: ExecutorListener): void;
  /** Queues a plan. A failure shows as onLost. */
  submit(plan: ExecutorPlan): void;
  close(): void;
}
