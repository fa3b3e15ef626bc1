// One outside request, HTTP or gRPC: its scope (deadline, cancellation), its root span and its metrics. Opened by http/
// and service.ts before the input is validated, so that refusals are traced and counted too. Never records prompt text.
import { type Context, type Span, type SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { type Logger, ServiceError, toServiceError } from '@switchyard/kit';
import type { AnswerUsage } from '@switchyard/openai';
import type { Job } from '../jobs/job.js';
import { JobScope } from '../jobs/job-scope.js';
import type { RouterMetrics } from '../metrics.js';

/** GenAI operation names that the router answers. */
export type Operation = 'chat' | 'text_completion';

export interface RequestOptions {
  api: 'http' | 'grpc';
  operation: Operation;
  kind: SpanKind;
  /** Context whose span is the parent: the client's own, or the gRPC server span. */
  parent: Context;
  timeoutMs: number;
}

export interface RequestTools {
  tracer: Tracer;
  metrics: RouterMetrics;
  log: Logger;
}

const PROVIDER = 'switchyard';

export class ClientRequest {
  readonly scope: JobScope;
  /** Parent of everything done for the request. */
  readonly trace: Context;
  readonly #tools: RequestTools;
  readonly #options: RequestOptions;
  readonly #span: Span;
  readonly #startedAt = performance.now();
  #firstTokenAt: number | undefined;
  #model = '';
  #ended = false;

  constructor(options: RequestOptions, tools: RequestTools) {
    this.#options = options;
    this.#tools = tools;
    this.scope = new JobScope(options.timeoutMs);
    const attributes = { 'gen_ai.operation.name': options.operation, 'gen_ai.provider.name': PROVIDER };
    this.#span = tools.tracer.startSpan(options.operation, { kind: options.kind, attributes }, options.parent);
    this.trace = trace.setSpan(options.parent, this.#span);
  }

  get traceId(): string {
    return this.#span.spanContext().traceId;
  }

  /** W3C traceparent of the root span. */
  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  /** The input is valid and became these jobs (several for several prompts); names and settings go on the span. */
  accepted(jobs: readonly [Job, ...Job[]], stream: boolean): void {
    const [job] = jobs;
    this.#model = job.model;
    this.#span.updateName(`${this.#options.operation} ${job.model}`);
    this.#span.setAttributes({
      'gen_ai.request.model': job.model,
      'gen_ai.request.max_tokens': job.stop.maxTokens,
      'gen_ai.request.temperature': job.sampling.temperature,
      'gen_ai.request.top_p': job.sampling.topP,
      'gen_ai.request.top_k': job.sampling.topK,
      'gen_ai.request.seed': attributeOf(job.sampling.seed),
      'gen_ai.request.choice.count': jobs.length,
      'gen_ai.request.stream': stream,
      'switchyard.request.id': job.origin.requestId,
      'switchyard.tenant': job.origin.tenant,
    });
  }

  /** A delta left; the first one is the time to first token. */
  delta(): void {
    if (this.#firstTokenAt !== undefined) return;
    this.#firstTokenAt = performance.now();
    const seconds = (this.#firstTokenAt - this.#startedAt) / 1_000;
    this.#span.setAttribute('gen_ai.response.time_to_first_chunk', seconds);
    this.#tools.metrics.timeToFirstToken.record(seconds, this.#labels());
  }

  /** The answer is complete. */
  finished(responseId: string, usage: AnswerUsage, finishReasons: string[]): void {
    this.#span.setAttributes({
      'gen_ai.response.id': responseId,
      'gen_ai.response.model': this.#model,
      'gen_ai.response.finish_reasons': finishReasons,
      'gen_ai.usage.input_tokens': usage.promptTokens,
      'gen_ai.usage.output_tokens': usage.completionTokens,
      'gen_ai.usage.cache_read.input_tokens': usage.cachedPromptTokens,
    });
    this.#recordUsage(usage);
    this.#end();
  }

  /** The request ends without a complete answer; returns what the client is to see. */
  failed(cause: unknown): ServiceError {
    const error = this.scope.reason ?? toServiceError(cause);
    this.#span.setAttribute('error.type', error.code);
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    if (!this.#ended && error.httpStatus >= 500) this.#logFailure(error);
    this.#end(error);
    return error;
  }

  /** The client is gone: ends all its work. */
  clientGone(): void {
    this.scope.end(new ServiceError('CANCELLED', 'the client went away'));
  }

  /** The request is over, whatever became of it; one that was not answered counts as cancelled. */
  close(): void {
    if (this.#ended) return;
    this.clientGone();
    this.failed(this.scope.reason);
  }

  #logFailure(error: ServiceError): void {
    const { code, member } = error;
    const streamed = this.#firstTokenAt !== undefined;
    this.#tools.log.warn({ traceId: this.traceId, code, member, streamed }, `request failed: ${error.message}`);
  }

  #recordUsage(usage: AnswerUsage): void {
    const { metrics } = this.#tools;
    const labels = { model: this.#model };
    metrics.promptTokens.add(usage.promptTokens, labels);
    metrics.cachedPromptTokens.add(usage.cachedPromptTokens, labels);
    metrics.generatedTokens.add(usage.completionTokens, labels);
    if (this.#firstTokenAt === undefined || usage.completionTokens < 2) return;
    const seconds = (performance.now() - this.#firstTokenAt) / 1_000;
    metrics.timePerOutputToken.record(seconds / (usage.completionTokens - 1), this.#labels());
  }

  #end(error?: ServiceError): void {
    if (this.#ended) return;
    this.#ended = true;
    const labels = error ? { ...this.#labels(), 'error.type': error.code } : this.#labels();
    this.#tools.metrics.requestDuration.record((performance.now() - this.#startedAt) / 1_000, labels);
    this.#tools.metrics.requests.add(1, { api: this.#options.api, code: error?.code ?? 'OK', model: this.#model });
    this.#span.end();
    this.scope.close();
  }

  #labels(): Record<string, string> {
    return {
      'gen_ai.operation.name': this.#options.operation,
      'gen_ai.provider.name': PROVIDER,
      'gen_ai.request.model': this.#model,
    };
  }
}

/** Attributes have no 64-bit integers: a seed that a number cannot hold goes out as text. */
function attributeOf(seed: bigint): number | string {
  return seed <= Number.MAX_SAFE_INTEGER ? Number(seed) : seed.toString();
}
