// The viewer at the end of a real exporter: what a service would send arrives, is decoded and drawn.
import { context, type Span as OtelSpan, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Collector } from '../src/collector.js';
import { type Receiver, startReceiver } from '../src/receiver.js';
import type { Span } from '../src/span.js';
import { renderTrace } from '../src/tree.js';

const received: Span[] = [];
let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver({ host: '127.0.0.1', port: 0 }, (spans) => received.push(...spans));
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'switchyard-router', 'service.instance.id': 'router-0' }),
    spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url: `${receiver.endpoint}/v1/traces` }))],
  });
  const tracer = provider.getTracer('test');
  const root = tracer.startSpan('chat tiny', {
    startTime: [1000, 0],
    attributes: { tokens: 7, ok: true, reasons: ['stop'] },
  });
  const below = trace.setSpan(context.active(), root);
  for (let stepIdx = 0; stepIdx < 5; stepIdx++) {
    const step = tracer.startSpan('decode.step', { startTime: [1000, 10_000_000 * stepIdx] }, below);
    if (stepIdx === 1) addCalls(step);
    step.end([1000, 10_000_000 * stepIdx + 2_000_000]);
  }
  const job = tracer.startSpan('job', { startTime: [1000, 1_000_000] }, below);
  job.addEvent('retried', { te: 'prefill-0' }, [1000, 5_000_000]);
  job.setStatus({ code: SpanStatusCode.ERROR, message: 'prefill-0 is gone' });
  job.end([1000, 3_500_000]);
  root.end([1000, 250_000_000]);
  await provider.shutdown();
});

/** Four calls of one kind, and one of another that began before them. */
function addCalls(span: OtelSpan): void {
  for (let layer = 1; layer <= 4; layer++)
    span.addEvent('xccl.a2e_send', { layer }, [1000, 10_000_000 + 100_000 * layer]);
  const attributes = { 'switchyard.xccl.peer': 'expert-1', 'switchyard.xccl.duration_ns': 1_250_000 };
  span.addEvent('xccl.e2a_wait', attributes, [1000, 10_050_000]);
}

afterAll(() => receiver.close());

describe('a trace of a real exporter', () => {
  test('arrives whole', () => {
    expect(received).toHaveLength(7);
    const root = received.find(({ parentSpanId }) => parentSpanId === '');
    expect(root).toMatchObject({ name: 'chat tiny', member: 'router-0', error: undefined });
    expect([...(root?.attributes ?? [])]).toEqual([
      ['tokens', 7n],
      ['ok', true],
      ['reasons', ['stop']],
    ]);
    expect(received.filter(({ parentSpanId }) => parentSpanId === root?.spanId)).toHaveLength(6);
  });

  test('is drawn as a tree, equal spans in one line', () => {
    const lines = renderTrace(received, { attributes: false, all: false, events: false }).split('\n');
    expect(lines).toEqual([
      `trace ${received[0]?.traceId}: 7 spans, 250.00 ms`,
      '  start ms   took ms',
      '      0.00    250.00  router-0  chat tiny',
      '      0.00     10.00  router-0    decode.step (5 spans, times added up)',
      '      1.00      2.50  router-0    job FAILED: prefill-0 is gone [retried te=prefill-0]',
    ]);
  });

  test('shows every span and attribute when asked', () => {
    const text = renderTrace(received, { attributes: true, all: true, events: false });
    expect(text.match(/decode\.step$/gm)).toHaveLength(4);
    const calls =
      '[4 x xccl.a2e_send] [xccl.e2a_wait switchyard.xccl.peer=expert-1 switchyard.xccl.duration_ns=1250000]';
    expect(text).toContain(`decode.step ${calls}\n`);
    expect(text).toContain('chat tiny tokens=7 ok=true reasons=stop');
  });

  test('shows each event in the order of time when asked, and its span apart from equal ones', () => {
    const lines = renderTrace(received, { attributes: false, all: false, events: true }).split('\n');
    expect(lines.slice(3)).toEqual([
      '      0.00      8.00  router-0    decode.step (4 spans, times added up)',
      '      1.00      2.50  router-0    job FAILED: prefill-0 is gone',
      '      5.00                          . retried te=prefill-0',
      '     10.00      2.00  router-0    decode.step',
      '     10.05      1.25                . xccl.e2a_wait peer=expert-1',
      ...[1, 2, 3, 4].map((layer) => `     10.${layer}0                          . xccl.a2e_send layer=${layer}`),
    ]);
  });
});

test('a trace is shown when it has been quiet, and again when more comes', async () => {
  const shown: number[] = [];
  const collector = new Collector(10, (spans) => shown.push(spans.length));
  const [first, ...rest] = received as [Span, ...Span[]];
  collector.add([first]);
  await expect.poll(() => shown).toEqual([1]);
  collector.add(rest);
  await expect.poll(() => shown).toEqual([1, 7]);
  collector.close();
});

test.each([
  ['a wrong path', '/v1/metrics', 'application/x-protobuf', new Uint8Array(), 404],
  ['JSON', '/v1/traces', 'application/json', new TextEncoder().encode('{}'), 415],
  ['bytes that are no protobuf', '/v1/traces', 'application/x-protobuf', new Uint8Array([0x0a, 0x7f, 1]), 400],
])('%s is refused', async (_what, path, type, body, status) => {
  const response = await fetch(receiver.endpoint + path, { method: 'POST', headers: { 'content-type': type }, body });
  expect(response.status).toBe(status);
  await response.text();
});
