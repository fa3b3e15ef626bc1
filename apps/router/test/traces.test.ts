// One request, one trace: the client's context at the top, the root span with GenAI attributes, the job, the calls to the
// TEs. Metrics too. Never a word of prompt or answer.
import { InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { callServerStream, startTelemetry, type Telemetry } from '@switchyard/kit';
import type { OpenedModel } from '@switchyard/model-files';
import { cluster, inference } from '@switchyard/proto';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { openTinyModel, startTestRouter, type TestRouter } from './test-router.js';

const messages = [{ role: 'user' as const, content: 'Tell me of zebras.' }];
const answer = 'Zebras have stripes.';
const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

const exporter = new InMemorySpanExporter();
let telemetry: Telemetry;
let model: OpenedModel;
let router: TestRouter;

beforeAll(async () => {
  telemetry = await startTelemetry({
    service: 'router',
    member: 'router-0',
    metrics: true,
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  model = await openTinyModel();
  router = await startTestRouter(model);
  await router.world.add('prefill-0', cluster.MemberKind.PREFILL, { answer });
  await router.world.add('decode-0', cluster.MemberKind.DECODE, { answer });
  router.publish();
});
afterAll(async () => {
  await router.close();
  await telemetry.close(1_000);
});
beforeEach(() => exporter.reset());

/**
 * All spans so far, by kind and name, once the named ones are among them: a caller's span ends a moment after the TE has
 * closed its side of the call.
 */
async function spansByName(...awaited: string[]): Promise<Map<string, ReadableSpan>> {
  expect(await router.world.settled()).toEqual([]);
  return vi.waitFor(
    () => {
      const spans = new Map(exporter.getFinishedSpans().map((span) => [`${span.kind} ${span.name}`, span]));
      expect([...spans.keys()]).toEqual(expect.arrayContaining(awaited));
      return spans;
    },
    { timeout: 5_000, interval: 5 },
  );
}

function chat(body: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${router.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: model.name, messages, ...body }),
  });
}

test('HTTP: the trace of the client goes down to the TEs', async () => {
  const response = await chat({ seed: 5, max_tokens: 50 }, { traceparent });
  await response.text();
  expect(response.headers.get('x-trace-id')).toBe(traceId);
  expect(response.headers.get('traceparent')).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  const calls = ['switchyard.task.v1.PrefillService/Prefill', 'switchyard.task.v1.DecodeService/Decode'];
  const spans = await spansByName('1 chat switchyard-tiny', ...calls.flatMap((call) => [`1 ${call}`, `2 ${call}`]));
  expect([...spans.values()].every((span) => span.spanContext().traceId === traceId)).toBe(true);
  const root = spans.get('1 chat switchyard-tiny');
  const job = spans.get('0 job');
  expect(root?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
  expect(job?.parentSpanContext?.spanId).toBe(root?.spanContext().spanId);
  for (const call of calls) {
    expect(spans.get(`2 ${call}`)?.parentSpanContext?.spanId).toBe(job?.spanContext().spanId);
    expect(spans.get(`1 ${call}`)?.parentSpanContext?.spanId).toBe(spans.get(`2 ${call}`)?.spanContext().spanId);
    // An answer that is complete leaves no failed call behind.
    expect(spans.get(`2 ${call}`)?.status.code).toBe(0);
  }
});

test('the root span says what was asked for and what it cost, without any text', async () => {
  const response = await chat({ seed: 5, temperature: 0.5, max_tokens: 50, stream: true }, { 'x-request-id': 'r-1' });
  const body = await response.text();
  const root = (await spansByName('1 chat switchyard-tiny')).get('1 chat switchyard-tiny');
  const id = /"id":"(chatcmpl-[^"]+)"/.exec(body)?.[1];
  expect(root?.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'switchyard',
    'gen_ai.request.model': 'switchyard-tiny',
    'gen_ai.request.seed': 5,
    'gen_ai.request.temperature': 0.5,
    'gen_ai.request.max_tokens': 50,
    'gen_ai.request.stream': true,
    'gen_ai.response.id': id,
    'gen_ai.response.model': 'switchyard-tiny',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.response.time_to_first_chunk': expect.any(Number),
    'gen_ai.usage.input_tokens': model.tokenizer.encodeChat(messages).length,
    'gen_ai.usage.output_tokens': model.tokenizer.encode(answer).length + 1,
    'switchyard.request.id': 'r-1',
    'switchyard.tenant': 'default',
  });
  const recorded = exporter.getFinishedSpans().map((span) => JSON.stringify([span.name, span.attributes, span.events]));
  expect(recorded.join()).not.toMatch(/zebra/i);
});

test('a refused request is traced as refused and has no usage', async () => {
  const response = await chat({ model: 'gpt-9' });
  const root = (await spansByName('1 chat')).get('1 chat');
  expect(root?.spanContext().traceId).toBe(response.headers.get('x-trace-id'));
  expect(root?.status.code).toBe(2);
  expect(root?.attributes['error.type']).toBe('MODEL_NOT_FOUND');
  expect(Object.keys(root?.attributes ?? {}).filter((name) => name.startsWith('gen_ai.usage'))).toEqual([]);
});

test('gRPC: the started event tells the trace id', async () => {
  const request = inference.GenerateRequest.fromPartial({
    model: model.name,
    input: { $case: 'text', value: { text: 'Once' } },
  });
  let started: inference.Started | undefined;
  for await (const { event } of callServerStream(router.grpcClient, 'generate', request, { timeoutMs: 5_000 })) {
    if (event?.$case === 'started') started = event.value;
  }
  const spans = await spansByName('1 switchyard.inference.v1.InferenceService/Generate');
  const root = spans.get('0 text_completion switchyard-tiny');
  expect(root?.spanContext().traceId).toBe(started?.traceId);
  const server = spans.get('1 switchyard.inference.v1.InferenceService/Generate');
  expect(root?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
});

test('metrics count requests, tokens and times', async () => {
  await (await chat()).text();
  await (await chat({ n: 2 })).text();
  const text = await (await fetch(`${router.url}/metrics`)).text();
  const value = (pattern: RegExp) => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  expect(value(/^switchyard_router_requests_total\{[^}]*api="http",code="OK"[^}]*\} (\d+)/m)).toBeGreaterThanOrEqual(1);
  expect(value(/^switchyard_router_requests_total\{[^}]*code="INVALID_ARGUMENT"[^}]*\} (\d+)/m)).toBeGreaterThanOrEqual(
    1,
  );
  expect(value(/^switchyard_router_generated_tokens_total[^ ]* (\d+)/m)).toBeGreaterThan(1);
  expect(value(/^switchyard_router_active_jobs[^ ]* (\d+)/m)).toBe(0);
  for (const name of ['request_duration', 'time_to_first_token', 'time_per_output_token']) {
    expect(text).toMatch(new RegExp(`^gen_ai_server_${name}_seconds_bucket\\{.*gen_ai_operation_name="chat"`, 'm'));
  }
});
