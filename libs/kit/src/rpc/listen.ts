// Binds a gRPC server: a Unix socket with mode 0600, or TCP. Says in one sentence why when it cannot.
import { unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { FatalStartError } from '../errors/fatal.js';

// sun_path of Linux holds 108 bytes with its terminating zero.
const socketPathBytesMax = 107;
const probeTimeoutMs = 1000;

/** Path of a `unix:` address; undefined for TCP. */
export function socketPathOf(address: string): string | undefined {
  return address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
}

/** Binds to `unix:/path` or `HOST:PORT`, and returns the port (for a Unix socket it means nothing). */
export async function bind(server: Server, address: string, tcpCredentials: () => ServerCredentials): Promise<number> {
  const path = socketPathOf(address);
  if (path === undefined) return bindTo(server, address, tcpCredentials());
  if (Buffer.byteLength(path) > socketPathBytesMax) {
    throw new FatalStartError(
      `the socket path ${path} has more than ${socketPathBytesMax} bytes: use a shorter --run-dir`,
    );
  }
  await removeStale(path);
  const mask = process.umask(0o177);
  try {
    return await bindTo(server, address, ServerCredentials.createInsecure());
  } finally {
    process.umask(mask);
  }
}

function bindTo(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (!error) resolve(port);
      else reject(new FatalStartError(`cannot listen on ${address}: ${reasonOf(error)}`));
    });
  });
}

function reasonOf(error: Error): string {
  if (error.message.includes('EADDRINUSE')) return 'another program listens there already';
  if (error.message.includes('EACCES')) return 'permission denied';
  return error.message;
}

/** A socket file that nobody listens on is left over from a killed process; one that answers is another service. */
async function removeStale(path: string): Promise<void> {
  const state = await new Promise<'absent' | 'stale' | 'live'>((resolve) => {
    const socket = connect(path);
    const settle = (found: 'absent' | 'stale' | 'live') => {
      socket.destroy();
      resolve(found);
    };
    socket.setTimeout(probeTimeoutMs, () => settle('live'));
    socket.on('connect', () => settle('live'));
    socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code === 'ENOENT' ? 'absent' : 'stale'));
  });
  if (state === 'live') throw new FatalStartError(`cannot listen on ${path}: another process serves there`);
  if (state === 'stale') unlinkSync(path);
}
