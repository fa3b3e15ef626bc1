// Binds a public port. A taken one ends the start with one sentence and the exit code by which the
// cluster-manager knows that another try would not help.
import { exitCodeFatal, FatalStartError } from '@switchyard/kit';

export interface HostPort {
  host: string;
  port: number;
}

/** `HOST:PORT`, an IPv6 host in brackets; checked by the option table. */
export function parseHostPort(text: string): HostPort {
  const colonIdx = text.lastIndexOf(':');
  return { host: text.slice(0, colonIdx).replace(/^\[|\]$/g, ''), port: Number(text.slice(colonIdx + 1)) };
}

/** A failure to listen as the sentence the user is to see. */
export function listenError(cause: unknown, address: string, flag: string): FatalStartError {
  const code = cause instanceof Error ? Reflect.get(cause, 'code') : undefined;
  const why = code === 'EADDRINUSE' ? 'is taken by another process' : `cannot be used (${describe(cause)})`;
  return new FatalStartError(`${address} ${why}; choose another address with ${flag}`, exitCodeFatal);
}

function describe(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
