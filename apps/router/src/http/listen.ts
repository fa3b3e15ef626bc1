// The address of the public HTTP port. A taken one ends the start with one sentence and the exit code by which the
// cluster-manager knows that another try would not help.
import { FatalStartError } from '@switchyard/kit';

export interface HostPort {
  host: string;
  port: number;
}

/** `HOST:PORT`, an IPv6 host in brackets; checked by the option table. */
export function parseHostPort(text: string): HostPort {
  const colonIdx = text.lastIndexOf(':');
  return { host: text.slice(0, colonIdx).replace(/^\[|\]$/g, ''), port: Number(text.slice(colonIdx + 1)) };
}

/** A failure to listen, in the kit's words for its gRPC ports and with the flag that helps. */
export function listenError(cause: unknown, address: string): FatalStartError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'EADDRINUSE' ? 'another program listens there already' : message;
  return new FatalStartError(`cannot listen on ${address}: ${why}; choose another address with --http-listen`);
}
