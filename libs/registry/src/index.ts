// Membership: who is there, where and in which epoch; by the cluster-manager or by static peers.

export { joinCluster } from './join.js';
export type { Member, MemberPatch, Membership, SelfDescription } from './membership.js';
