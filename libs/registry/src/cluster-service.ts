// ClusterService on a directory: validates, converts, calls the directory. Served by the cluster-manager.
import { type GrpcService, grpcService, ServiceError, serverStream, unary } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import type { Directory } from './directory.js';
import type { Member, MemberPatch } from './membership.js';

export interface ClusterServiceOptions {
  directory: Directory;
  heartbeatIntervalMs: number;
  /** Secret of all XCCL ranks, 16 bytes. */
  xcclNonce: Uint8Array;
}

export function clusterService(options: ClusterServiceOptions): GrpcService {
  const { directory, heartbeatIntervalMs, xcclNonce } = options;
  return grpcService<cluster.ClusterServiceServer>(cluster.ClusterServiceService, {
    register: unary(({ member, xcclRank }) => {
      const registration = directory.register(checked(member), xcclRank);
      return { ...registration, xcclNonce: Buffer.from(xcclNonce), heartbeatIntervalMs };
    }),
    heartbeat: unary((request) => {
      directory.heartbeat(request.id, request.epoch, patchOf(request));
      return {};
    }),
    deregister: unary(({ id, epoch }) => {
      directory.remove(id, epoch);
      return {};
    }),
    watchMembers: serverStream((_, call) => watch(directory, call.signal)),
  });
}

function checked(member: Member | undefined): Member {
  if (!member) throw new ServiceError('INVALID_ARGUMENT', 'member is missing', { field: 'member' });
  if (!member.address)
    throw new ServiceError('INVALID_ARGUMENT', 'a member needs an address', { field: 'member.address' });
  return member;
}

function patchOf(request: cluster.HeartbeatRequest): MemberPatch & { state: cluster.MemberState } {
  const { state, xccl, model, loading } = request;
  return { state, loading, ...(xccl && { xccl }), ...(model && { model }) };
}

/** The whole membership, now and after each change; changes that come faster than the watcher reads are merged. */
async function* watch(directory: Directory, signal: AbortSignal): AsyncGenerator<cluster.WatchMembersResponse> {
  let sent: Member[] | undefined;
  while (!signal.aborted) {
    const members = directory.view.members();
    if (members !== sent) {
      sent = members;
      yield { members };
    } else await changed(directory, signal);
  }
}

function changed(directory: Directory, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      unsubscribe();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const unsubscribe = directory.view.onChange(done);
    signal.addEventListener('abort', done);
  });
}
