// A membership that a test writes: what ranks and DP groups read of one.
import { cluster } from '@switchyard/proto';
import type { Member, MemberPatch, Membership } from '@switchyard/registry';

type View = Pick<
  Membership,
  'id' | 'epoch' | 'xcclRank' | 'xcclNonce' | 'members' | 'onChange' | 'connectTo' | 'update'
>;

export class WrittenMembership implements View {
  readonly xcclNonce = new Uint8Array(16).fill(3);
  /** What the owner tells of itself. */
  told: MemberPatch = {};
  #members: Member[] = [];
  readonly #callbacks = new Set<(members: Member[]) => void>();

  constructor(
    readonly id: string,
    readonly epoch: bigint,
    readonly xcclRank = 0,
  ) {}

  members(): Member[] {
    return this.#members;
  }

  onChange(callback: (members: Member[]) => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  connectTo(memberId: string): string {
    return this.#members.find(({ id }) => id === memberId)?.address ?? '';
  }

  update(patch: MemberPatch): void {
    this.told = { ...this.told, ...patch };
  }

  write(members: Member[]): void {
    this.#members = members;
    for (const callback of this.#callbacks) callback(members);
  }
}

export function makeMember(more: Partial<Member>): Member {
  return { ...cluster.Member.create(), state: cluster.MemberState.SERVING, ...more };
}
