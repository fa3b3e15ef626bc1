// Reading the metrics of this process: by the router's /metrics, and by --metrics-listen for every other service.
import { createServer, type Server } from 'node:http';
import { FatalStartError } from '../errors/fatal.js';

let render: (() => Promise<string>) | undefined;

/** Called once by startTelemetry. */
export function setMetricsRenderer(renderer: () => Promise<string>): void {
  render = renderer;
}

/** All metrics of this process in Prometheus text format; '' where the service declares no `servesMetrics`. */
export async function renderMetrics(): Promise<string> {
  return render ? render() : '';
}

/** Serves GET /metrics at HOST:PORT. Throws FatalStartError when the address is taken. */
export function serveMetrics(address: string): Promise<Server> {
  const separator = address.lastIndexOf(':');
  const host = address.slice(0, separator).replace(/^\[|\]$/g, '');
  const server = createServer(async (request, response) => {
    if (request.method !== 'GET' || request.url !== '/metrics') response.writeHead(404).end();
    else response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(await renderMetrics());
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(new FatalStartError(`cannot serve metrics on ${address}: ${error.message}`)),
    );
    server.listen(Number(address.slice(separator + 1)), host, () => resolve(server));
  });
}
