// Clients of other services: one channel an address, shared by all callers of this process, and reconnecting quickly,
// because a member that died comes back on the same Unix socket path within milliseconds.
import type { ChannelCredentials, ChannelOptions, Client, ClientOptions } from '@grpc/grpc-js';
import { channelCredentials } from './security.js';

const messageBytesMax = 16 * 1024 * 1024;

/** Limits and keepalive of both sides. */
export const commonChannelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
};

// NOTE: keepalive runs on the JavaScript loop of both sides: a process whose loop stands still for longer than the
// timeout (loading a model, say) is cut off, so this must not be short. Death shows at once by the closed socket.
const clientOptions: ChannelOptions = {
  ...commonChannelOptions,
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.initial_reconnect_backoff_ms': 20,
  'grpc.max_reconnect_backoff_ms': 250,
  'grpc.enable_retries': 0,
};

export type ClientCtor<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => C;

export interface ConnectOptions {
  /** In place of those of this process. Such a client is not shared. */
  credentials?: ChannelCredentials;
}

const clients = new Map<string, Map<unknown, Client>>();

/**
 * The client of a service at `unix:/path` or `HOST:PORT`. It connects with its first call. Throws INVALID_ARGUMENT for
 * TCP when this process has neither TLS files nor --insecure.
 */
export function connect<C extends Client>(ctor: ClientCtor<C>, address: string, options: ConnectOptions = {}): C {
  if (options.credentials) return new ctor(address, options.credentials, clientOptions);
  const ofAddress = clients.get(address) ?? new Map<unknown, Client>();
  clients.set(address, ofAddress);
  const cached = ofAddress.get(ctor);
  if (cached) return cached as C;
  const sibling = ofAddress.values().next().value;
  const shared = sibling ? { ...clientOptions, channelOverride: sibling.getChannel() } : clientOptions;
  const client = new ctor(address, channelCredentials(address), shared);
  ofAddress.set(ctor, client);
  return client;
}

/** Closes the channel of an address, or all; calls under way fail. */
export function disconnect(address?: string): void {
  for (const key of address === undefined ? [...clients.keys()] : [address]) {
    for (const client of clients.get(key)?.values() ?? []) client.close();
    clients.delete(key);
  }
}
