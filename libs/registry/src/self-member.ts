// What a service says of itself, and how that changes.
import type { ServiceContext } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import type { Member, MemberPatch, SelfDescription } from './membership.js';

/** The member a service enters as: STARTING, without an epoch. */
export function initialMember(context: ServiceContext, self: SelfDescription): Member {
  return cluster.Member.fromPartial({
    id: context.config.id,
    kind: self.kind,
    address: context.address,
    state: cluster.MemberState.STARTING,
    te: self.te ?? '',
    colocated: self.colocated ?? false,
  });
}

/** `member` with the patch in it; the rank of an endpoint is always the membership's own. */
export function patched(member: Member, patch: MemberPatch, xcclRank: number): Member {
  const next = { ...member, ...patch };
  return next.xccl ? { ...next, xccl: { ...next.xccl, rank: xcclRank } } : next;
}
