// The parts that both public APIs stand on. Made by wiring.ts.
import type { JobRunner } from './jobs/job-runner.js';
import type { ModelCatalog } from './jobs/model-catalog.js';
import type { Readiness } from './readiness.js';
import { ClientRequest, type RequestOptions, type RequestTools } from './requests/client-request.js';

export interface Router {
  catalog: ModelCatalog;
  runner: JobRunner;
  readiness: Readiness;
  tools: RequestTools;
  /** Longest time a request may take, ms. */
  requestTimeoutMs: number;
}

/** Opens a request; a client's own deadline (ms from now) shortens the router's. */
export function openRequest(
  router: Router,
  options: Omit<RequestOptions, 'timeoutMs'>,
  clientTimeoutMs = Number.POSITIVE_INFINITY,
): ClientRequest {
  const timeoutMs = Math.min(clientTimeoutMs, router.requestTimeoutMs);
  return new ClientRequest({ ...options, timeoutMs }, router.tools);
}
