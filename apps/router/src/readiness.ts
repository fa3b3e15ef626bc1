// Whether the router takes requests, for both health services and the membership. Asked by wiring.ts and http/server.ts.
//
// At first all models are awaited, so that a system starts whole; from then on one model that can be answered is enough, since a
// router that called itself unhealthy would take the good models away with the bad one.
import type { JobRunner } from './jobs/job-runner.js';
import type { ModelCatalog } from './jobs/model-catalog.js';

export interface ReadinessNow {
  ready: boolean;
  /** What cannot be served and why, in words; may hold something while the router is ready. */
  missing: string[];
}

export class Readiness {
  readonly #catalog: ModelCatalog;
  readonly #runner: Pick<JobRunner, 'draining'>;
  #hasBeenWhole = false;

  constructor(catalog: ModelCatalog, runner: Pick<JobRunner, 'draining'>) {
    this.#catalog = catalog;
    this.#runner = runner;
  }

  look(): ReadinessNow {
    if (this.#runner.draining) return { ready: false, missing: ['the router is shutting down'] };
    const missing = this.#catalog.missing();
    if (missing.length === 0) this.#hasBeenWhole = true;
    return { ready: this.#hasBeenWhole && this.#catalog.servesAny, missing };
  }
}
