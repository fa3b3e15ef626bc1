// Membership without a manager: the peers are given as addresses and asked who they are, twice a second. Epoch, XCCL
// rank and nonce come from flags. Good enough to start a few services by hand.
import { setTimeout as sleep } from 'node:timers/promises';
import { callUnary, connect, type ServiceContext, toServiceError } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import { MemberView } from './member-view.js';
import type { Member, MemberPatch, Membership, SelfDescription } from './membership.js';
import { initialMember, patched } from './self-member.js';

const xcclNonceBytes = 16;
const pollIntervalMs = 500;
// A peer whose process is there but whose loop is busy is kept for this many polls.
const numSlowPollsMax = 3;

export class StaticMembership implements Membership {
  readonly id: string;
  readonly epoch: bigint;
  readonly xcclRank: number;
  readonly xcclNonce: Uint8Array;
  readonly #view = new MemberView();
  readonly #closing = new AbortController();
  readonly #peers = new Map<string, Member>();
  #self: Member;

  constructor(context: ServiceContext, self: SelfDescription) {
    const { config } = context;
    this.id = config.id;
    this.epoch = config.epoch ?? BigInt(Date.now());
    this.xcclRank = config.xcclRank;
    this.xcclNonce = config.xcclNonce ?? new Uint8Array(xcclNonceBytes);
    this.#self = { ...initialMember(context, self), epoch: this.epoch };
    this.#publish();
    for (const address of config.peer) void this.#pollLoop(address);
  }

  self(): Member {
    return this.#self;
  }

  members(): Member[] {
    return this.#view.members();
  }

  onChange(callback: (members: Member[]) => void): () => void {
    return this.#view.onChange(callback);
  }

  waitFor<T>(select: (members: Member[]) => T | undefined, timeoutMs: number, signal?: AbortSignal): Promise<T> {
    return this.#view.waitFor(select, timeoutMs, signal);
  }

  connectTo(memberId: string, epoch?: bigint): string {
    return this.#view.connectTo(memberId, epoch);
  }

  update(patch: MemberPatch): void {
    this.#self = patched(this.#self, patch, this.xcclRank);
    this.#publish();
  }

  async close(): Promise<void> {
    this.#closing.abort();
  }

  async #pollLoop(address: string): Promise<void> {
    let numSlowPolls = 0;
    while (!this.#closing.signal.aborted) {
      try {
        this.#setPeer(address, await this.#describe(address));
        numSlowPolls = 0;
      } catch (error) {
        const isSlow = toServiceError(error).code === 'DEADLINE_EXCEEDED' && ++numSlowPolls < numSlowPollsMax;
        if (!isSlow) this.#setPeer(address, undefined);
      }
      await sleep(pollIntervalMs, undefined, { signal: this.#closing.signal }).catch(() => {});
    }
  }

  async #describe(address: string): Promise<Member | undefined> {
    const client = connect(cluster.MemberServiceClient, address);
    const limits = { timeoutMs: pollIntervalMs, signal: this.#closing.signal };
    const { member } = await callUnary(client, 'describe', {}, limits);
    // A peer that has not joined anything yet has no kind and no epoch.
    return member && member.epoch !== 0n ? { ...member, address } : undefined;
  }

  #setPeer(address: string, member: Member | undefined): void {
    if (this.#closing.signal.aborted) return;
    // One list of peers may serve all services of a system: whoever finds itself in it is no second member.
    if (member?.id === this.id) return;
    if (member) this.#peers.set(address, member);
    else this.#peers.delete(address);
    this.#publish();
  }

  #publish(): void {
    this.#view.replace([this.#self, ...this.#peers.values()]);
  }
}
