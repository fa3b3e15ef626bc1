// The KV handles that a prefill TE has given out (D1): opaque ids, claims that can be repeated, leases for what nobody claims.
// The prefill service makes and answers them; a claim pins the blocks until it is released or its claimant's death is reported.
import { ServiceError } from '@switchyard/kit';
import type { cluster, task } from '@switchyard/proto';
import type { Clock } from '../clock.js';
import type { HeldKv, KvRegionAddress } from './held-kv.js';
import { type EndReason, Tombstones } from './tombstones.js';

export interface KvHandlesOptions {
  /** Registry id and epoch of this TE. */
  owner: string;
  ownerEpoch: bigint;
  model: Pick<cluster.ServedModel, 'name' | 'digest' | 'numericClass'>;
  layoutVersion: number;
  /** Whose KV the blocks hold (layer-groups.ts). */
  layerGroups: task.LayerGroup[];
  /** How long an unclaimed handle is kept, in ms. */
  leaseMs: number;
  clock: Clock;
  /** Draws `count` bytes that nobody can guess. */
  randomBytes: (count: number) => Uint8Array;
  /** Null for a TE whose blocks no other rank can reach: claims from outside are refused. */
  region: KvRegionAddress | null;
}

interface Claim {
  claimId: string;
  claimant: string;
  claimantEpoch: bigint;
}

interface Entry {
  handle: task.KvHandle;
  held: HeldKv;
  claim: Claim | null;
  stopLease: () => void;
}

const drainPollMs = 20;

export class KvHandles {
  readonly #options: KvHandlesOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #ended = new Tombstones(1024);

  constructor(options: KvHandlesOptions) {
    this.#options = options;
  }

  get numHandles(): number {
    return this.#entries.size;
  }

  get numClaimed(): number {
    let count = 0;
    for (const { claim } of this.#entries.values()) if (claim !== null) count += 1;
    return count;
  }

  /** Names a held prefill; its lease begins. */
  create(held: HeldKv): task.KvHandle {
    const { owner, ownerEpoch, model, layoutVersion, layerGroups, leaseMs, clock } = this.#options;
    const id = this.#options.randomBytes(16);
    const handle: task.KvHandle = {
      id: Buffer.from(id),
      owner,
      ownerEpoch,
      model: model.name,
      modelDigest: model.digest,
      numericClass: model.numericClass,
      layoutVersion,
      numTokens: held.numTokens,
      numPromptTokens: held.numPromptTokens,
      identity: held.identity,
      layerGroups,
    };
    const key = hex(id);
    const stopLease = clock.setTimer(leaseMs, () => this.#end(key, 'expired'));
    this.#entries.set(key, { handle, held, claim: null, stopLease });
    return handle;
  }

  /**
   * Pins the blocks for one claimant; the same claim id gets the same answer again.
   *
   * @throws HANDLE_UNKNOWN, HANDLE_EXPIRED, HANDLE_CLAIMED, HANDLE_FOREIGN (other tenant or salt), MISMATCH (other fields),
   *   UNSUPPORTED when no other rank can reach the blocks.
   */
  claim(
    handle: task.KvHandle,
    claim: { claimId: Uint8Array; claimant: string; claimantEpoch: bigint },
  ): task.KvLocation {
    if (this.#options.region === null) {
      throw new ServiceError('UNSUPPORTED', `${this.#options.owner} has no XCCL rank to copy KV blocks from`);
    }
    const entry = this.#find(handle);
    this.#take(entry, { ...claim, claimId: checkedClaimId(claim.claimId) });
    const { blocks, generations } = entry.held.master.heldBlocks(entry.held.seqId);
    return { ...this.#options.region, blocks, generations, numTokens: entry.held.numTokens };
  }

  /** Claims for a decode master of this process, which takes the blocks over: the handle ends here. Throws as claim does. */
  adopt(handle: task.KvHandle): HeldKv {
    const entry = this.#find(handle);
    if (entry.claim !== null) throw claimed();
    this.#forget(hex(handle.id), 'adopted');
    return entry.held;
  }

  /**
   * Frees the blocks: by the claim that pinned them, or unclaimed with an empty claim id. Repeated, it does nothing.
   *
   * @throws HANDLE_UNKNOWN for a handle that never was, HANDLE_CLAIMED when another claim holds it.
   */
  release(handle: task.KvHandle, claimId: Uint8Array): void {
    const key = hex(handle.id);
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      if (this.#ended.reasonOf(key) === null) throw unknown();
      return;
    }
    this.#checkFields(entry, handle);
    if ((entry.claim?.claimId ?? '') !== hex(claimId)) throw claimed();
    this.#end(key, 'released');
  }

  /** Members that are gone, or are there again with a higher epoch, read no more: what they claimed is freed. */
  endClaimsOfAbsent(isPresent: (memberId: string, epoch: bigint) => boolean): number {
    let numEnded = 0;
    for (const [key, { claim }] of this.#entries) {
      if (claim === null || isPresent(claim.claimant, claim.claimantEpoch)) continue;
      this.#end(key, 'expired');
      numEnded += 1;
    }
    return numEnded;
  }

  /** Waits until all handles are claimed and released or expired; false when the deadline came first. */
  async drain(deadlineMs: number): Promise<boolean> {
    const { clock } = this.#options;
    const endsAtMs = clock.nowMs() + deadlineMs;
    while (this.#entries.size > 0) {
      if (clock.nowMs() >= endsAtMs) return false;
      await new Promise<void>((resolve) => clock.setTimer(drainPollMs, resolve));
    }
    return true;
  }

  /** Frees everything. */
  close(): void {
    for (const key of [...this.#entries.keys()]) this.#end(key, 'expired');
  }

  #find(handle: task.KvHandle): Entry {
    if (handle.id.length !== 16) throw new ServiceError('INVALID_ARGUMENT', 'is not 16 bytes', { field: 'handle.id' });
    if (handle.owner !== this.#options.owner) throw unknown();
    if (handle.ownerEpoch !== this.#options.ownerEpoch) {
      throw new ServiceError('HANDLE_EXPIRED', `the KV handle is of an earlier start of ${this.#options.owner}`);
    }
    const key = hex(handle.id);
    const entry = this.#entries.get(key);
    if (entry === undefined) throw this.#endedError(key);
    this.#checkFields(entry, handle);
    return entry;
  }

  #endedError(key: string): ServiceError {
    const reason = this.#ended.reasonOf(key);
    if (reason === 'adopted') return claimed();
    if (reason === 'expired')
      return new ServiceError('HANDLE_EXPIRED', 'the lease of the KV handle ended; prefill again');
    return unknown();
  }

  #checkFields(entry: Entry, handle: task.KvHandle): void {
    const mine = entry.handle;
    const isSameOwner =
      handle.identity?.tenant === mine.identity?.tenant && handle.identity?.cacheSalt === mine.identity?.cacheSalt;
    if (!isSameOwner) throw new ServiceError('HANDLE_FOREIGN', 'the KV handle is of another tenant or cache salt');
    const fields = ['model', 'modelDigest', 'numericClass', 'layoutVersion', 'numTokens', 'numPromptTokens'] as const;
    for (const field of fields) {
      if (handle[field] === mine[field]) continue;
      throw new ServiceError('MISMATCH', `the KV handle has another ${field} than was given out`, {
        field: `handle.${field}`,
      });
    }
  }

  #take(entry: Entry, claim: Claim): void {
    if (entry.claim !== null) {
      const isRepeated = entry.claim.claimId === claim.claimId && entry.claim.claimant === claim.claimant;
      if (!isRepeated || entry.claim.claimantEpoch !== claim.claimantEpoch) throw claimed();
      return;
    }
    entry.claim = claim;
    entry.stopLease();
    entry.held.master.pinHeld(entry.held.seqId);
  }

  #end(key: string, reason: EndReason): void {
    const entry = this.#forget(key, reason);
    if (entry.claim !== null) entry.held.master.unpinHeld(entry.held.seqId);
    entry.held.master.dropHeld(entry.held.seqId);
  }

  #forget(key: string, reason: EndReason): Entry {
    const entry = this.#entries.get(key) as Entry;
    this.#entries.delete(key);
    entry.stopLease();
    this.#ended.add(key, reason);
    return entry;
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

function checkedClaimId(claimId: Uint8Array): string {
  if (claimId.length === 16) return hex(claimId);
  throw new ServiceError('INVALID_ARGUMENT', 'is not 16 bytes', { field: 'claim_id' });
}

function claimed(): ServiceError {
  return new ServiceError('HANDLE_CLAIMED', 'another claim holds the KV handle');
}

function unknown(): ServiceError {
  return new ServiceError('HANDLE_UNKNOWN', 'no such KV handle was given out, or it was released');
}
