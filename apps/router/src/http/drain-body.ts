// Reads away the rest of a body that is refused. Without it the connection is reset while the client still sends, and it
// never sees the answer that tells why.
import type { IncomingMessage } from 'node:http';

/** A client that sends more than this, or for longer, does not get its answer read out. */
const DRAIN_BYTES_MAX = 64 * 1024 * 1024;
const DRAIN_TIMEOUT_MS = 2_000;

/** Resolves when the body has ended, or the client has used up its patience allowance. Never throws. */
export function drainBody(message: IncomingMessage): Promise<void> {
  if (message.readableEnded || message.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let numBytes = 0;
    const onData = (chunk: Buffer) => {
      numBytes += chunk.length;
      if (numBytes > DRAIN_BYTES_MAX) done();
    };
    const done = () => {
      clearTimeout(timer);
      message.off('data', onData).off('close', done).off('end', done);
      resolve();
    };
    const timer = setTimeout(done, DRAIN_TIMEOUT_MS);
    message.on('data', onData).on('close', done).on('end', done);
  });
}
