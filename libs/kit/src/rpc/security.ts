// Credentials of this process for TCP, by its --tls-* and --insecure options. Unix sockets need none: their folder has
// mode 0700. runService sets them once, before anything connects or listens.
import { readFileSync } from 'node:fs';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { ServiceError } from '../errors/service-error.js';

export interface SecurityOptions {
  insecure: boolean;
  tlsCert: string | undefined;
  tlsKey: string | undefined;
  tlsCa: string | undefined;
}

interface TlsFiles {
  cert: Buffer;
  key: Buffer;
  ca: Buffer;
}

let current: { insecure: boolean; files: TlsFiles | undefined } = { insecure: false, files: undefined };

/** Reads the TLS files. Throws INVALID_ARGUMENT when only some are named or one cannot be read. */
export function setSecurity(options: SecurityOptions): void {
  const { tlsCert, tlsKey, tlsCa } = options;
  if (!tlsCert && !tlsKey && !tlsCa) {
    current = { insecure: options.insecure, files: undefined };
    return;
  }
  if (!tlsCert || !tlsKey || !tlsCa) {
    throw new ServiceError('INVALID_ARGUMENT', 'mutual TLS needs all of --tls-cert, --tls-key and --tls-ca');
  }
  current = { insecure: options.insecure, files: { cert: read(tlsCert), key: read(tlsKey), ca: read(tlsCa) } };
}

/** For a server on TCP: mutual TLS, or nothing where --insecure allows it. */
export function serverCredentials(): ServerCredentials {
  const { files, insecure } = current;
  if (files) return ServerCredentials.createSsl(files.ca, [{ cert_chain: files.cert, private_key: files.key }], true);
  if (insecure) return ServerCredentials.createInsecure();
  throw new ServiceError('INVALID_ARGUMENT', '--listen needs --tls-cert, --tls-key and --tls-ca, or --insecure');
}

export function channelCredentials(address: string): ChannelCredentials {
  const { files, insecure } = current;
  if (address.startsWith('unix:')) return ChannelCredentials.createInsecure();
  if (files) return ChannelCredentials.createSsl(files.ca, files.key, files.cert);
  if (insecure) return ChannelCredentials.createInsecure();
  throw new ServiceError(
    'INVALID_ARGUMENT',
    `cannot connect to ${address}: TCP needs --tls-cert, --tls-key and --tls-ca, or --insecure`,
  );
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new ServiceError('INVALID_ARGUMENT', `cannot read ${path}: ${String(error)}`, { cause: error });
  }
}
