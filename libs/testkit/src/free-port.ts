// Ports for systems under test. Called by cluster.ts; the port is free when asked for and could be taken before it is used,
// which the service then reports in one sentence.
import { createServer } from 'node:net';

/** A TCP port of the loopback interface that nobody listens on now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === 'string')
          reject(new Error('no port in the address of a TCP server'));
        else resolve(address.port);
      });
    });
  });
}
