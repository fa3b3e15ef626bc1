// Writes one message to a grpc-js stream and waits until it has room for the next: back-pressure for both sides.
import type { Writable } from 'node:stream';
import { toServiceError } from '../errors/service-error.js';

/** Resolves when the next message may be written; rejects with the signal's reason once the call has ended. */
export function writeMessage(
  stream: Pick<Writable, 'write' | 'once' | 'off'>,
  message: unknown,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return Promise.reject(toServiceError(signal.reason));
  if (stream.write(message)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onDrain = () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const onAbort = () => {
      stream.off('drain', onDrain);
      reject(toServiceError(signal.reason));
    };
    stream.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
