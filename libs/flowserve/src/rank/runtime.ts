// An XCCL rank's life in the communicator: created from the membership's epoch, rank and nonce, told of peers as they come and
// go, and asked who is linked. Every app with a rank wires one. It moves no data.
import type { Meter } from '@opentelemetry/api';
import { type Logger, ServiceError } from '@switchyard/kit';
import type {
  ExchangeShape,
  NativeCommunicator,
  NativeErrorCode,
  NativeModule,
  PeerChange,
  RankSeat,
} from '@switchyard/native';
import { cluster } from '@switchyard/proto';
import { type Member, type Membership, maxRanks } from '@switchyard/registry';
import type { CallSource } from '../telemetry/call-events.js';
import { registerDataPlaneMetrics } from '../telemetry/data-plane-metrics.js';

export interface RankRuntimeOptions {
  native: Pick<NativeModule, 'createCommunicator'>;
  membership: Pick<Membership, 'id' | 'epoch' | 'xcclRank' | 'xcclNonce' | 'members' | 'onChange' | 'update'>;
  /** Folder for the rank's socket, `<id>.xccl`. */
  runDir: string;
  numericClass: string;
  /** Size of the app data area: the KV region, or 0. */
  appBytes: number;
  exchange: ExchangeShape | null;
  /** null for a rank without experts to ask or to serve. */
  seat: RankSeat | null;
  /** Whether this rank exchanges data with that member. */
  talksTo: (member: Member) => boolean;
  log: Logger;
  meter: Meter;
  /**
   * This rank's segment is corrupt, or a peer gave this rank up because it stood still: the process cannot go on, and a restart
   * makes new segments under a new epoch (D5).
   */
  onLost: (error: ServiceError) => void;
}

export const communicatorName = 'switchyard';

/** Codes of a dead link that lay the fault on this rank, not on the peer. */
const ownFault: Partial<Record<NativeErrorCode, string>> = {
  CORRUPT: "this rank's segment is corrupt",
  TIMEOUT: 'this rank stood still',
};
const livenessTimeoutMs = 500;

export class RankRuntime {
  readonly communicator: NativeCommunicator;
  /** For the events of spans. */
  readonly calls: CallSource;
  readonly #options: RankRuntimeOptions;
  /** The member expected at each peer rank, as last seen. */
  readonly #peers = new Map<number, Member>();
  readonly #links = new Map<number, PeerChange>();
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribe: () => void;
  readonly #endMetrics: () => void;

  /** Creates the communicator and tells the membership where it listens. Throws the native error. */
  constructor(options: RankRuntimeOptions) {
    this.#options = options;
    const { native, membership, runDir, numericClass, appBytes, exchange, seat, meter } = options;
    const socketPath = `${runDir}/${membership.id}.xccl`;
    this.communicator = native.createCommunicator({
      name: communicatorName,
      rank: membership.xcclRank,
      epoch: membership.epoch,
      socketPath,
      nonce: membership.xcclNonce,
      compatibility: numericClass,
      appBytes,
      zcBytes: 0,
      maxRanks,
      exchange,
      livenessTimeoutMs,
      seat,
      telemetry: true,
      onPeerChange: (change) => this.#onPeerChange(change),
    });
    const peerName = (rank: number) => this.#peers.get(rank)?.id ?? `rank ${rank}`;
    this.calls = { read: (range) => this.communicator.calls(range), peerName };
    this.#endMetrics = registerDataPlaneMetrics(meter, this.communicator, peerName);
    membership.update({ xccl: { communicator: communicatorName, rank: membership.xcclRank, socketPath } });
    this.#unsubscribe = membership.onChange((members) => this.#onMembers(members));
    this.#onMembers(membership.members());
  }

  /** Calls back after each change of links or members. Answers the end of the subscription. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Whether the segments of that very start of a member are mapped here; also when the membership has lost sight of it. */
  isLinkedTo(memberId: string, epoch: bigint): boolean {
    for (const [rank, peer] of this.#peers) {
      if (peer.id !== memberId || peer.epoch !== epoch) continue;
      const link = this.#links.get(rank);
      return link?.state === 'linked' && link.epoch === epoch;
    }
    return false;
  }

  close(): void {
    this.#unsubscribe();
    this.#listeners.clear();
    this.#endMetrics();
    this.communicator.close();
  }

  #onMembers(members: readonly Member[]): void {
    const present = new Set<number>();
    for (const member of members) {
      if (member.xccl === undefined || !this.#options.talksTo(member)) continue;
      const { rank, socketPath } = member.xccl;
      present.add(rank);
      if (this.#peers.get(rank)?.epoch !== member.epoch) this.#expect(rank, member, socketPath);
    }
    for (const [rank, { id, epoch }] of [...this.#peers]) {
      // A member may be away from the membership for a while and serve all the same: its link tells.
      if (!present.has(rank) && !this.isLinkedTo(id, epoch)) this.#forget(rank);
    }
    this.#notify();
  }

  #expect(rank: number, member: Member, socketPath: string): void {
    const { epoch } = member;
    try {
      this.communicator.expectPeer({ rank, epoch, socketPath });
      this.#peers.set(rank, member);
    } catch (err) {
      // A view of the membership may be older than what the rank has seen: the next one puts it right.
      this.#options.log.warn({ err, peer: member.id, epoch: `${epoch}` }, `rank ${member.id} is not accepted`);
    }
  }

  #forget(rank: number): void {
    this.#peers.delete(rank);
    this.#links.delete(rank);
    this.communicator.forgetPeer(rank);
  }

  #onPeerChange(change: PeerChange): void {
    const { rank, epoch, state, reason, code } = change;
    const peer = this.#peers.get(rank)?.id ?? `rank ${rank}`;
    const level = state === 'linked' ? 'info' : 'warn';
    this.#options.log[level]({ peer, rank, epoch: `${epoch}`, reason }, `rank ${peer} is ${state}`);
    const cause = state === 'dead' && code !== null ? ownFault[code] : undefined;
    if (code !== null && cause !== undefined) {
      // Both processes live, so nobody else would restart either, and the pair never links again in these epochs.
      this.#options.onLost(new ServiceError(code, `the link to ${peer} ended: ${cause}: ${reason}`));
    }
    const known = this.#links.get(rank);
    if (known === undefined || known.epoch <= epoch) this.#links.set(rank, change);
    this.#notify();
  }

  #notify(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** Id of the member with that rank; for messages, so an unknown one gets a name as well. */
export function memberOfRank(members: readonly Member[], rank: number): string {
  return members.find((member) => member.xccl?.rank === rank)?.id ?? `rank ${rank}`;
}

const { PREFILL, DECODE, ATTENTION, EXPERT } = cluster.MemberKind;

/** Who pulls KV of a model from its prefill ranks: attention ranks, and decode TEs that hold the KV themselves. */
export function pullsKvOf(model: string): (member: Member) => boolean {
  return (member) => serves(member, model) && (member.kind === ATTENTION || member.kind === DECODE);
}

export function servesKvOf(model: string): (member: Member) => boolean {
  return (member) => serves(member, model) && member.kind === PREFILL;
}

export function isAttentionOf(te: string, model: string): (member: Member) => boolean {
  return (member) => serves(member, model) && member.kind === ATTENTION && member.te === te;
}

export function isExpertOf(te: string, model: string): (member: Member) => boolean {
  return (member) => serves(member, model) && member.kind === EXPERT && member.te === te;
}

/** By name and not by digest: the same files may be served under two names, by a group of services each. */
function serves(member: Member, model: string): boolean {
  return member.model?.name === model;
}
