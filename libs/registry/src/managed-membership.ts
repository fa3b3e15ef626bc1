// Membership by the cluster-manager: register, heartbeat, watch. When the manager is away the last view stays and
// registering is tried again and again; the process keeps its epoch for its whole life.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  callServerStream,
  callUnary,
  connect,
  type Logger,
  type ServiceContext,
  ServiceError,
  toServiceError,
} from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import { MemberView } from './member-view.js';
import type { Member, MemberPatch, Membership, SelfDescription } from './membership.js';
import { initialMember, patched } from './self-member.js';

const joinTimeoutMs = 30_000;
const callTimeoutMs = 2000;
const retryMsMin = 50;
const retryMsMax = 1000;
// Deadline of one watch; it is opened again after that.
const watchTimeoutMs = 3_600_000;

/** Registers, trying until it is done, and starts heartbeats and watch. */
export async function joinByManager(
  context: ServiceContext,
  self: SelfDescription,
  manager: string,
): Promise<Membership> {
  const client = connect(cluster.ClusterServiceClient, manager);
  const member = initialMember(context, self);
  const deadlineAtMs = Date.now() + joinTimeoutMs;
  for (let retryMs = retryMsMin; ; retryMs = Math.min(retryMsMax, retryMs * 2)) {
    try {
      const limits = { timeoutMs: callTimeoutMs, signal: context.signal, member: 'cluster-manager' };
      return new ManagedMembership(
        context,
        client,
        member,
        await callUnary(client, 'register', { member, xcclRank: 0 }, limits),
      );
    } catch (error) {
      if (!isTransient(error) || Date.now() + retryMs > deadlineAtMs) throw error;
      context.log.debug({ manager, err: error }, 'the cluster-manager does not answer yet');
      await sleep(retryMs, undefined, { signal: context.signal });
    }
  }
}

class ManagedMembership implements Membership {
  readonly id: string;
  readonly epoch: bigint;
  readonly xcclRank: number;
  readonly xcclNonce: Uint8Array;
  readonly #view = new MemberView();
  readonly #client: cluster.ClusterServiceClient;
  readonly #context: ServiceContext;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  readonly #intervalMs: number;
  #self: Member;
  #isRegistered = true;
  /** Ends the pause between two heartbeats. */
  #beatNow: () => void = () => {};
  #hasNews = false;

  constructor(
    context: ServiceContext,
    client: cluster.ClusterServiceClient,
    member: Member,
    answer: cluster.RegisterResponse,
  ) {
    this.id = member.id;
    this.epoch = answer.epoch;
    this.xcclRank = answer.xcclRank;
    this.xcclNonce = answer.xcclNonce;
    this.#intervalMs = answer.heartbeatIntervalMs;
    this.#client = client;
    this.#context = context;
    this.#log = context.log;
    this.#self = { ...member, epoch: answer.epoch };
    this.#view.replace([this.#self]);
    void this.#heartbeatLoop();
    void this.#watchLoop();
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
    this.#hasNews = true;
    this.#beatNow();
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#beatNow();
    try {
      await callUnary(this.#client, 'deregister', { id: this.id, epoch: this.epoch }, { timeoutMs: 500 });
    } catch (error) {
      this.#log.debug({ err: error }, 'could not deregister; the lease will end by itself');
    }
  }

  async #heartbeatLoop(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      if (!this.#hasNews) await this.#pauseBetweenBeats();
      if (this.#closing.signal.aborted) return;
      this.#hasNews = false;
      try {
        await (this.#isRegistered ? this.#heartbeat() : this.#register());
      } catch (error) {
        await this.#onBeatFailed(toServiceError(error));
      }
    }
  }

  async #heartbeat(): Promise<void> {
    const { id, epoch, state, xccl, model, loading } = this.#self;
    await callUnary(this.#client, 'heartbeat', { id, epoch, state, xccl, model, loading }, this.#limits());
  }

  async #register(): Promise<void> {
    const request = { member: this.#self, xcclRank: this.xcclRank };
    const answer = await callUnary(this.#client, 'register', request, this.#limits());
    if (answer.xcclRank !== this.xcclRank) {
      throw new ServiceError('MISMATCH', `the cluster-manager moved ${this.id} to XCCL rank ${answer.xcclRank}`);
    }
    this.#isRegistered = true;
    this.#log.info('registered again');
  }

  async #onBeatFailed(error: ServiceError): Promise<void> {
    if (this.#closing.signal.aborted) return;
    if (!isTransient(error)) {
      this.#closing.abort();
      this.#context.fail(error);
      return;
    }
    if (this.#isRegistered) this.#log.warn({ reason: error.message }, 'the cluster-manager lost this member');
    this.#isRegistered = false;
    this.#hasNews = true;
    await sleep(Math.min(retryMsMax, this.#intervalMs) / 2);
  }

  #pauseBetweenBeats(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.#intervalMs);
      this.#beatNow = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #watchLoop(): Promise<void> {
    let retryMs = retryMsMin;
    while (!this.#closing.signal.aborted) {
      try {
        const limits = { timeoutMs: watchTimeoutMs, signal: this.#closing.signal };
        for await (const { members } of callServerStream(this.#client, 'watchMembers', {}, limits)) {
          this.#view.replace(members);
          retryMs = retryMsMin;
        }
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#log.debug({ err: error }, 'the watch ended; the last view stays');
        await sleep(retryMs);
        retryMs = Math.min(retryMsMax, retryMs * 2);
      }
    }
  }

  #limits() {
    return { timeoutMs: callTimeoutMs, signal: this.#closing.signal, member: 'cluster-manager' };
  }
}

/** The manager is away, slow or has forgotten us: all that trying again can cure. */
function isTransient(error: unknown): boolean {
  return ['MEMBER_UNAVAILABLE', 'DEADLINE_EXCEEDED', 'DRAINING', 'CLOSED'].includes(toServiceError(error).code);
}
