// The decode side of D1: claims a handle from the prefill TE that made it, over gRPC, or takes the blocks over when that TE is
// this very process. The decode service calls it once for each start; a claim is released when its copy is over.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CallContext, callUnary, connect, type ErrorCode, type Logger, toServiceError } from '@switchyard/kit';
import type { KvSource } from '@switchyard/native';
import { task } from '@switchyard/proto';
import type { Membership } from '@switchyard/registry';
import type { ExecutorInfo } from '../executor/executor.js';
import { required, sourceFromProto } from '../wire.js';
import type { KvHandles } from './handles.js';
import type { HeldKv } from './held-kv.js';

/** A claim that holds: exactly one of source and adopt is set. */
export interface ClaimedKv {
  source: KvSource | null;
  adopt: HeldKv | null;
  /** Once, when nobody reads the source any more. */
  release(): void;
}

export interface KvClaims {
  /** @throws what the owner's KvHandles.claim throws, MEMBER_UNAVAILABLE or STALE when the owner is not there. */
  claim(handle: task.KvHandle, claimant: ExecutorInfo, call: CallContext): Promise<ClaimedKv>;
}

export interface KvClaimOptions {
  membership: Pick<Membership, 'id' | 'members' | 'connectTo'>;
  /** Handles of this process, when it prefills too. */
  local: KvHandles | null;
  claimTimeoutMs: number;
  log: Logger;
}

const releaseAttempts = 20;
const unsureCodes: ReadonlySet<ErrorCode> = new Set([
  'CANCELLED',
  'DEADLINE_EXCEEDED',
  'MEMBER_UNAVAILABLE',
  'TIMEOUT',
]);

export class KvClaimClient implements KvClaims {
  readonly #options: KvClaimOptions;

  constructor(options: KvClaimOptions) {
    this.#options = options;
  }

  async claim(handle: task.KvHandle, claimant: ExecutorInfo, call: CallContext): Promise<ClaimedKv> {
    const { membership, local } = this.#options;
    if (local !== null && handle.owner === membership.id) {
      return { source: null, adopt: local.adopt(handle), release: () => {} };
    }
    const client = this.#clientOf(handle);
    const claimId = randomBytes(16);
    const request = { handle, claimId, claimant: claimant.memberId, claimantEpoch: claimant.memberEpoch };
    const location = await this.#callClaim(client, request, call);
    return { source: sourceFromProto(location), adopt: null, release: () => void this.#release(handle, claimId) };
  }

  async #callClaim(
    client: task.PrefillServiceClient,
    request: task.ClaimKvRequest,
    call: CallContext,
  ): Promise<task.KvLocation> {
    // Repeating is safe: the same claim id gets the same answer.
    const member = request.handle?.owner ?? '';
    const limits = { timeoutMs: this.#options.claimTimeoutMs, within: call, retries: 2, member };
    try {
      return required((await callUnary(client, 'claimKv', request, limits)).location, 'location');
    } catch (error) {
      const { code } = toServiceError(error);
      // Whether the claim holds is not known: give it back, or its blocks stay pinned.
      if (unsureCodes.has(code)) void this.#release(request.handle as task.KvHandle, request.claimId);
      throw error;
    }
  }

  #clientOf(handle: task.KvHandle): task.PrefillServiceClient {
    return connect(task.PrefillServiceClient, this.#options.membership.connectTo(handle.owner, handle.ownerEpoch));
  }

  /** Tries until the owner answers or is gone: a claim that stays pins blocks for as long as this member lives. */
  async #release(handle: task.KvHandle, claimId: Buffer): Promise<void> {
    for (let attempt = 1; attempt <= releaseAttempts; attempt += 1) {
      try {
        await callUnary(this.#clientOf(handle), 'releaseKv', { handle, claimId }, { timeoutMs: 2000 });
        return;
      } catch (error) {
        if (this.#isOwnerGone(handle)) return;
        const failure = toServiceError(error);
        // The owner says that this claim holds nothing.
        if (failure.code === 'HANDLE_CLAIMED' || failure.code === 'HANDLE_UNKNOWN') return;
        if (attempt === releaseAttempts || !failure.retryable) {
          this.#options.log.error({ err: error, owner: handle.owner }, 'a KV claim could not be released');
          return;
        }
        await sleep(Math.min(1000, 50 * attempt), undefined, { ref: false });
      }
    }
  }

  #isOwnerGone({ owner, ownerEpoch }: task.KvHandle): boolean {
    return !this.#options.membership.members().some(({ id, epoch }) => id === owner && epoch === ownerEpoch);
  }
}
