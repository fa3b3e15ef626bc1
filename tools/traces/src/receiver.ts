// An OTLP/HTTP receiver for traces, protobuf only: what the exporters of our services send by default. Made by main.ts.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeSpans } from './otlp.js';
import type { Span } from './span.js';

const bodyBytesMax = 64 * 2 ** 20;

export interface Receiver {
  /** Value for OTEL_EXPORTER_OTLP_ENDPOINT. */
  endpoint: string;
  close(): Promise<void>;
}

/** Listens on HOST:PORT of `address` (port 0: any free one). Rejects when it is taken. */
export function startReceiver(
  address: { host: string; port: number },
  onSpans: (spans: Span[]) => void,
): Promise<Receiver> {
  const server = createServer((request, response) => void answer(request, response, onSpans));
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      const { port } = server.address() as AddressInfo;
      const close = () =>
        new Promise<void>((done) => {
          server.close(() => done());
          server.closeAllConnections();
        });
      resolve({ endpoint: `http://${address.host}:${port}`, close });
    });
  });
}

/** Never rejects: what goes wrong is the sender's, and told to it. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  onSpans: (spans: Span[]) => void,
): Promise<void> {
  const refuse = (status: number, why: string) => response.writeHead(status).end(`${why}\n`);
  if (request.method !== 'POST' || request.url !== '/v1/traces') return void refuse(404, 'only POST /v1/traces');
  if (request.headers['content-type'] !== 'application/x-protobuf' || request.headers['content-encoding']) {
    return void refuse(415, 'only application/x-protobuf, not compressed');
  }
  let spans: Span[];
  try {
    spans = decodeSpans(await readBody(request));
  } catch (error) {
    return void refuse(400, String(error));
  }
  onSpans(spans);
  response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let numBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    numBytes += chunk.length;
    if (numBytes > bodyBytesMax) throw new Error(`a body of more than ${bodyBytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
