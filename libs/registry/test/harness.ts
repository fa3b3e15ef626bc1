// Members and a manager in one process, on real Unix sockets. A member is what runService makes of a service, without
// the process around it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { metrics, trace } from '@opentelemetry/api';
import {
  createLogger,
  disconnect,
  type GrpcServer,
  grpcService,
  type ServiceContext,
  startGrpcServer,
  unary,
} from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import { onTestFinished } from 'vitest';
import { clusterService, Directory, joinCluster, type Membership } from '../src/index.js';

export const heartbeatIntervalMs = 100;

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'reg-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Manager {
  address: string;
  directory: Directory;
  close(): Promise<void>;
}

export async function startManager(address: string): Promise<Manager> {
  const directory = new Directory({ nowMs: Date.now, heartbeatIntervalMs });
  const timer = setInterval(() => directory.expire(), heartbeatIntervalMs / 2);
  const service = clusterService({ directory, heartbeatIntervalMs, xcclNonce: new Uint8Array(16).fill(7) });
  const server = await startGrpcServer([service], address);
  const close = async () => {
    clearInterval(timer);
    await server.close();
  };
  onTestFinished(close);
  return { address, directory, close };
}

export interface ContextOptions {
  manager?: string;
  peer?: string[];
  epoch?: bigint;
  xcclRank?: number;
}

/** The context of a service, and the failures it reported. */
export function contextOf(id: string, folder: string, options: ContextOptions): ServiceContext & { failures: Error[] } {
  const failures: Error[] = [];
  const config = {
    id,
    runDir: folder,
    listen: undefined,
    insecure: false,
    tlsCert: undefined,
    tlsKey: undefined,
    tlsCa: undefined,
    manager: options.manager,
    peer: options.peer ?? [],
    logLevel: 'silent' as const,
    logFormat: 'json' as const,
    metricsListen: undefined,
    drainTimeoutMs: 1000,
    exitWithParent: false,
    epoch: options.epoch,
    xcclRank: options.xcclRank ?? 0,
    xcclNonce: undefined,
  };
  return {
    config,
    log: createLogger({ member: id, level: 'silent', format: 'json' }),
    tracer: trace.getTracer('test'),
    meter: metrics.getMeter('test'),
    address: `unix:${folder}/${id}.sock`,
    signal: new AbortController().signal,
    setReady: () => {},
    fail: (error) => failures.push(error),
    failures,
  };
}

export async function enter(context: ServiceContext, kind = cluster.MemberKind.DECODE): Promise<Membership> {
  const membership = await joinCluster(context, { kind });
  onTestFinished(async () => {
    await membership.close();
    disconnect();
  });
  return membership;
}

/** Serves MemberService as runService does. */
export async function serveMember(membership: Membership, address: string): Promise<GrpcServer> {
  const describe = unary(() => ({ member: membership.self() }));
  const server = await startGrpcServer([grpcService(cluster.MemberServiceService, { describe })], address);
  onTestFinished(() => server.close());
  return server;
}

/** Waits for a condition, at most three seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const endMs = performance.now() + 3000;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within 3 s: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
