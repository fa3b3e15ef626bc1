// Constructs the cluster-manager: the directory with its lease timer, ClusterService in front of it, the provider.
import { randomBytes } from 'node:crypto';
import type { ServiceContext, Wiring } from '@switchyard/kit';
import { clusterService, Directory } from '@switchyard/registry';
import type { ManagerConfig } from './config.js';
import { createProvider } from './provider/registry.js';

export function wire(context: ServiceContext<ManagerConfig>): Wiring {
  const { config, log } = context;
  const { heartbeatIntervalMs } = config;
  const directory = new Directory({ nowMs: Date.now, heartbeatIntervalMs });
  const provider = createProvider(config.provider, { context, directory });
  const leaseTimer = setInterval(() => {
    for (const member of directory.expire()) log.warn({ member }, 'a lease ended');
  }, heartbeatIntervalMs / 2);
  return {
    grpc: [clusterService({ directory, heartbeatIntervalMs, xcclNonce: nonceOf(config) })],
    start: () => provider.start(),
    drain: () => provider.stop(),
    async close() {
      await provider.stop();
      clearInterval(leaseTimer);
    },
  };
}

/** A fresh secret, or the one given where ranks must survive a restart of the manager. */
function nonceOf(config: ManagerConfig): Uint8Array {
  return config.xcclNonce ?? randomBytes(16);
}
