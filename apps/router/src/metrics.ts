// The router's metrics: OpenTelemetry's GenAI server histograms and switchyard_router_*. Made by wiring.ts, fed by jobs/
// and requests/. Label values are bounded: names of TEs, of the served models, of error codes.
// What has a model carries its name; a request that was refused before its model was known has ''.
import type { Counter, Histogram, Meter, UpDownCounter } from '@opentelemetry/api';

/** Bucket borders that the GenAI conventions give for durations, in seconds. */
const durationSeconds = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const firstTokenSeconds = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
const perTokenSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];

export class RouterMetrics {
  readonly requestDuration: Histogram;
  readonly timeToFirstToken: Histogram;
  readonly timePerOutputToken: Histogram;
  /** By api (http, grpc), code (OK or an error code) and model. */
  readonly requests: Counter;
  readonly activeJobs: UpDownCounter;
  readonly promptTokens: Counter;
  readonly cachedPromptTokens: Counter;
  readonly generatedTokens: Counter;
  /** By te and model: tries given up because a TE failed or was full, with another one to follow. */
  readonly retries: Counter;
  /** By te and model. */
  readonly preemptions: Counter;

  constructor(meter: Meter) {
    const seconds = (name: string, description: string, boundaries: number[]) =>
      meter.createHistogram(name, { description, unit: 's', advice: { explicitBucketBoundaries: boundaries } });
    const counter = (name: string, description: string) =>
      meter.createCounter(`switchyard_router_${name}`, { description });

    this.requestDuration = seconds(
      'gen_ai.server.request.duration',
      'Request, from its arrival to its end',
      durationSeconds,
    );
    this.timeToFirstToken = seconds('gen_ai.server.time_to_first_token', 'Arrival to first delta', firstTokenSeconds);
    this.timePerOutputToken = seconds(
      'gen_ai.server.time_per_output_token',
      'Mean gap after the first token',
      perTokenSeconds,
    );
    this.requests = counter('requests', 'Requests ended');
    this.activeJobs = meter.createUpDownCounter('switchyard_router_active_jobs', { description: 'Jobs running now' });
    this.promptTokens = counter('prompt_tokens', 'Prompt tokens of answered requests');
    this.cachedPromptTokens = counter('cached_prompt_tokens', 'Prompt tokens that a cache held');
    this.generatedTokens = counter('generated_tokens', 'Tokens streamed out');
    this.retries = counter('retries', 'Tries given up for another TE');
    this.preemptions = counter('preemptions', 'Sequences that lost their blocks in decode');
  }
}
