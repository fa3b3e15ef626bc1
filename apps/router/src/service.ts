// The public gRPC API: validate, convert, run the job, convert. Served on the router's public gRPC port.
import { context, SpanKind, trace } from '@opentelemetry/api';
import { type CallContext, type GrpcService, grpcService, serverStream, unary } from '@switchyard/kit';
import { inference } from '@switchyard/proto';
import { toGenerationRequest, toModelInfo } from './convert.js';
import { makeJob } from './jobs/job.js';
import { Answer } from './requests/answer.js';
import type { ClientRequest, Operation } from './requests/client-request.js';
import { openRequest, type Router } from './router.js';

export function inferenceService(router: Router): GrpcService {
  const implementation: inference.InferenceServiceServer = {
    generate: serverStream((request: inference.GenerateRequest, call) => generate(router, request, call)),
    listModels: unary(() => ({ models: router.catalog.models.map(toModelInfo) })),
  };
  return grpcService(inference.InferenceServiceService, implementation);
}

async function* generate(
  router: Router,
  message: inference.GenerateRequest,
  call: CallContext,
): AsyncGenerator<inference.GenerateResponse> {
  const operation: Operation = message.input?.$case === 'chat' ? 'chat' : 'text_completion';
  const parent = trace.setSpan(context.active(), call.span);
  const request = openRequest(router, { api: 'grpc', operation, kind: SpanKind.INTERNAL, parent }, call.deadlineMs);
  const onGone = () => request.clientGone();
  call.signal.addEventListener('abort', onGone, { once: true });
  try {
    if (call.signal.aborted) onGone();
    yield* answer(router, message, request);
  } catch (error) {
    throw request.failed(error);
  } finally {
    call.signal.removeEventListener('abort', onGone);
    request.close();
  }
}

/** `started` goes out with the first delta: until then the call may still fail as if nothing had been. */
async function* answer(
  router: Router,
  message: inference.GenerateRequest,
  request: ClientRequest,
): AsyncGenerator<inference.GenerateResponse> {
  const generation = toGenerationRequest(message);
  const job = makeJob(generation, router.catalog.find(generation.model));
  request.accepted([job], true);
  const answer = new Answer(job, router.runner.run(job, request.scope, request.trace));
  let started = false;
  for await (const delta of answer.deltas()) {
    request.delta();
    if (!started) yield startedEvent(job.origin.requestId, job.model, job.role, job.sampling.seed, request.traceId);
    started = true;
    yield { event: { $case: 'delta', value: delta } };
  }
  request.finished(job.id, answer.usage, [answer.finish ?? 'length']);
  yield { event: { $case: 'usage', value: answer.usage } };
}

function startedEvent(
  requestId: string,
  model: string,
  role: string,
  seed: bigint,
  traceId: string,
): inference.GenerateResponse {
  return { event: { $case: 'started', value: { requestId, model, role, seed, traceId } } };
}
