// The cluster-manager's memory of who is a member: leases, epochs and XCCL ranks. It has no timers and no sockets;
// the clock is given to it and expire() is called from outside.
import { ServiceError } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import { MemberView } from './member-view.js';
import type { Member, MemberPatch } from './membership.js';

export interface DirectoryOptions {
  /** Wall clock in ms. Epochs start at it, so that they grow over restarts of the manager too. */
  nowMs: () => number;
  heartbeatIntervalMs: number;
}

export interface Registration {
  epoch: bigint;
  xcclRank: number;
}

/** What stays known of an id after its member has left. */
interface Known {
  epoch: bigint;
  xcclRank: number;
}

// A lease is this many heartbeat intervals.
const numIntervalsOfLease = 3;

export class Directory {
  readonly view = new MemberView();
  readonly #options: DirectoryOptions;
  readonly #known = new Map<string, Known>();
  readonly #live = new Map<string, { member: Member; leaseEndsAtMs: number }>();
  #epochMax = 0n;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  /**
   * Enters a member. A new process (epoch 0) gets a new epoch and replaces whoever had its id. A process that knows
   * its epoch, because its lease ended or the manager is new, keeps them (`xcclRank` is
   * read from such a process only); STALE when a newer process has
   * taken its id, MISMATCH when its rank belongs to another.
   */
  register(member: Member, xcclRank: number): Registration {
    if (member.id === '') throw new ServiceError('INVALID_ARGUMENT', 'a member needs an id', { field: 'member.id' });
    const registration = member.epoch === 0n ? this.#newRegistration(member.id) : this.#resumed(member, xcclRank);
    this.#known.set(member.id, registration);
    this.#live.set(member.id, {
      member: withRank({ ...member, epoch: registration.epoch }, registration.xcclRank),
      leaseEndsAtMs: this.#leaseEnd(),
    });
    this.#publish();
    return registration;
  }

  /** Renews a lease. STALE when a newer process has taken the id, MEMBER_UNAVAILABLE when the lease has ended. */
  heartbeat(id: string, epoch: bigint, patch: Required<Pick<MemberPatch, 'state'>> & MemberPatch): void {
    const entry = this.#entry(id, epoch);
    entry.leaseEndsAtMs = this.#leaseEnd();
    entry.member = withRank({ ...entry.member, ...patch }, this.#known.get(id)?.xcclRank ?? 0);
    this.#publish();
  }

  /** Removes a member, if it still is the one of that epoch (of any epoch when none is given). */
  remove(id: string, epoch?: bigint): void {
    if (epoch !== undefined && this.#live.get(id)?.member.epoch !== epoch) return;
    if (this.#live.delete(id)) this.#publish();
  }

  /** Removes the members whose leases have ended, and returns their ids. */
  expire(): string[] {
    const nowMs = this.#options.nowMs();
    const ended = [...this.#live].filter(([, entry]) => entry.leaseEndsAtMs < nowMs).map(([id]) => id);
    for (const id of ended) this.#live.delete(id);
    if (ended.length > 0) this.#publish();
    return ended;
  }

  #newRegistration(id: string): Registration {
    const nowMs = BigInt(this.#options.nowMs());
    this.#epochMax = this.#epochMax >= nowMs ? this.#epochMax + 1n : nowMs;
    return { epoch: this.#epochMax, xcclRank: this.#known.get(id)?.xcclRank ?? this.#freeRank() };
  }

  #resumed(member: Member, rank: number): Registration {
    const known = this.#known.get(member.id);
    if (known && known.epoch !== member.epoch) throw staleError(member.id, member.epoch, known.epoch);
    const xcclRank = known?.xcclRank ?? rank;
    const owner = [...this.#known].find(([id, other]) => id !== member.id && other.xcclRank === xcclRank);
    if (owner) throw new ServiceError('MISMATCH', `XCCL rank ${xcclRank} of ${member.id} belongs to ${owner[0]}`);
    if (member.epoch > this.#epochMax) this.#epochMax = member.epoch;
    return { epoch: member.epoch, xcclRank };
  }

  #entry(id: string, epoch: bigint): { member: Member; leaseEndsAtMs: number } {
    const known = this.#known.get(id);
    if (known && known.epoch !== epoch) throw staleError(id, epoch, known.epoch);
    const entry = this.#live.get(id);
    if (!entry) throw new ServiceError('MEMBER_UNAVAILABLE', `${id} is not registered`, { member: id });
    return entry;
  }

  #freeRank(): number {
    const taken = new Set([...this.#known.values()].map(({ xcclRank }) => xcclRank));
    let rank = 0;
    while (taken.has(rank)) rank++;
    return rank;
  }

  #leaseEnd(): number {
    return this.#options.nowMs() + numIntervalsOfLease * this.#options.heartbeatIntervalMs;
  }

  #publish(): void {
    this.view.replace([...this.#live.values()].map(({ member }) => member));
  }
}

function withRank(member: Member, rank: number): Member {
  return member.xccl ? { ...member, xccl: cluster.XcclEndpoint.fromPartial({ ...member.xccl, rank }) } : member;
}

function staleError(id: string, epoch: bigint, newest: bigint): ServiceError {
  return new ServiceError('STALE', `${id} of epoch ${epoch} was replaced by one of epoch ${newest}`, { member: id });
}
