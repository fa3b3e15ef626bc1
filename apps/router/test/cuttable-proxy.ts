// A Unix socket in front of another one, whose connections can be cut all at once: what the other side of a connection
// sees of a process that is killed.
import { unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class CuttableProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string) {
    this.#server = createServer((inside) => {
      const outside = connect(target);
      for (const socket of [inside, outside]) {
        this.#sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          inside.destroy();
          outside.destroy();
        });
      }
      inside.pipe(outside).pipe(inside);
    });
  }

  static async listen(path: string, target: string): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(path, resolve));
    return proxy;
  }

  cut(): void {
    if (!this.#server.listening) return;
    const address = this.#server.address();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    if (typeof address === 'string') unlinkIfThere(address);
  }
}

function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // close() has removed it
  }
}
