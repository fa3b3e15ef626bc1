// Membership: who is there, where and in which epoch. For services: joinCluster. For the cluster-manager: the
// directory and the gRPC service in front of it.
export { clusterService } from './cluster-service.js';
export { Directory, type DirectoryOptions, type Registration } from './directory.js';
export { joinCluster } from './join.js';
export { type Member, type MemberPatch, type Membership, maxRanks, type SelfDescription } from './membership.js';
