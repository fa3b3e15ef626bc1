// A gRPC server with health, reflection, limits and keepalive: runService has one, and so has the router for its
// public port.
import { Server, type ServerCredentials } from '@grpc/grpc-js';
import { commonChannelOptions } from './channel.js';
import { Health } from './health.js';
import { bind } from './listen.js';
import { reflectionServices } from './reflection.js';
import { serverCredentials } from './security.js';
import type { GrpcService } from './service.js';

const serverOptions = {
  ...commonChannelOptions,
  'grpc.max_concurrent_streams': 1024,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 10_000,
};

// Calls that run on after a drain are streams without an end, such as watches.
const goAwayMs = 200;

export interface GrpcServer {
  health: Health;
  /** Port it got; meaningless for a Unix socket. */
  port: number;
  /** Takes no new calls, gives those under way a moment, then cuts them. */
  close(): Promise<void>;
}

export interface GrpcServerOptions {
  /** Credentials for TCP; those of the process by default (TLS files or --insecure). */
  credentials?: ServerCredentials;
}

/**
 * Serves `services` at `unix:/path` or `HOST:PORT` (port 0: any free one). Health starts as NOT_SERVING. Throws
 * FatalStartError, with one sentence, when the address is taken.
 */
export async function startGrpcServer(
  services: readonly GrpcService[],
  address: string,
  options: GrpcServerOptions = {},
): Promise<GrpcServer> {
  const server = new Server(serverOptions);
  const health = new Health();
  const names = services.flatMap(serviceName);
  health.setServices(names);
  for (const service of [...services, health.service(), ...reflectionServices(names)]) {
    server.addService(service.definition, service.implementation);
  }
  const port = await bind(server, address, () => options.credentials ?? serverCredentials());
  return { health, port, close: () => shutDown(server) };
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), goAwayMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
    // NOTE: the callback of tryShutdown comes after forceShutdown too, so this promise always settles.
  });
}

/** `switchyard.task.v1.PrefillService`, by the path of the first method. */
function serviceName(service: GrpcService): string[] {
  const path = Object.values(service.definition)[0]?.path;
  return path ? [path.split('/')[1] ?? ''] : [];
}
