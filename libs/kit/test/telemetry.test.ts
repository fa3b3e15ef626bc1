// Trace context across two services with a recording tracer, and the same ids without one.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { context, metrics, propagation, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  callUnary,
  contextFromTraceparent,
  currentTraceparent,
  recordSpan,
  registerHistogram,
  renderMetrics,
  ServiceError,
  startTelemetry,
  type Telemetry,
  unary,
  withSpan,
} from '../src/index.js';
import { traceparentPropagator } from '../src/telemetry/traceparent.js';
import { collect, inferenceClient, serve, testServices } from './harness.js';

let telemetry: Telemetry | undefined;
afterEach(() => telemetry?.close(1000));

/** outer calls inner; both listModels. */
async function twoServices(inside: () => void = () => {}): Promise<string> {
  const listModels = unary(() => {
    inside();
    return { models: [] };
  });
  const inner = await serve(testServices({ listModels }));
  const outer = await serve(
    testServices({
      listModels: unary((_request, call) =>
        callUnary(inferenceClient(inner.address), 'listModels', {}, { timeoutMs: 2000, within: call }),
      ),
    }),
  );
  return outer.address;
}

describe('recorded traces', () => {
  async function record(): Promise<InMemorySpanExporter> {
    const exporter = new InMemorySpanExporter();
    const spanProcessors = [new SimpleSpanProcessor(exporter)];
    telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: false, spanProcessors });
    return exporter;
  }

  it('chain client and server spans of two services to the span of the caller', async () => {
    const exporter = await record();
    const address = await twoServices();
    await withSpan('request', {}, () => callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 2000 }));
    const spans = exporter.getFinishedSpans();
    expect(spans).toHaveLength(5);
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
    const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
    const leaf = spans.find((span) => span.kind === 1 && isLeaf(span.spanContext().spanId));
    function isLeaf(spanId: string): boolean {
      return !spans.some((span) => span.parentSpanContext?.spanId === spanId);
    }
    const chain = [];
    for (let span = leaf; span; span = byId.get(span.parentSpanContext?.spanId ?? ''))
      chain.push([span.name, span.kind]);
    const method = 'switchyard.inference.v1.InferenceService/ListModels';
    expect(chain).toEqual([
      [method, 1],
      [method, 2],
      [method, 1],
      [method, 2],
      ['request', 0],
    ]);
  });

  it('mark the spans of a failed call', async () => {
    const exporter = await record();
    const listModels = unary(() => Promise.reject(new ServiceError('QUEUE_FULL', 'full')));
    const { address } = await serve(testServices({ listModels }));
    const call = withSpan('request', {}, () =>
      callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 2000 }),
    );
    await expect(call).rejects.toThrow();
    const types = exporter.getFinishedSpans().map((span) => span.attributes['error.type']);
    expect(types).toEqual(['QUEUE_FULL', 'QUEUE_FULL', 'QUEUE_FULL']);
  });

  it('hold spans that are recorded after the fact, with their own times', async () => {
    const exporter = await record();
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const startUnixNs = 1_700_000_000_123_456_789n;
    recordSpan('kv transfer', { startUnixNs, durationNs: 5_000_000n, parent, attributes: { 'switchyard.blocks': 3 } });
    const [span] = exporter.getFinishedSpans();
    expect(span?.spanContext().traceId).toBe('0af7651916cd43dd8448eb211c80319c');
    expect(span?.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    expect(span?.startTime).toEqual([1_700_000_000, 123_456_789]);
    expect(span?.duration).toEqual([0, 5_000_000]);
    expect(span?.attributes).toEqual({ 'switchyard.blocks': 3 });
    expect(span?.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('hold what a recorded span adds, and how it failed', async () => {
    const exporter = await record();
    recordSpan('step', {
      ...{ startUnixNs: 1_000_000_000n, durationNs: 5n, attributes: { a: 1 } },
      failure: { code: 'PEER_DEAD', message: 'rank 2 is dead' },
      details: () => ({
        attributes: { b: 2 },
        events: [{ name: 'call', unixNs: 1_000_000_003n, attributes: { c: 3 } }],
      }),
    });
    const [span] = exporter.getFinishedSpans();
    expect(span?.attributes).toEqual({ a: 1, b: 2, 'error.type': 'PEER_DEAD' });
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'rank 2 is dead' });
    expect(span?.events).toMatchObject([{ name: 'call', time: [1, 3], attributes: { c: 3 } }]);
  });
});

describe('export', () => {
  it('sends spans to the OTLP endpoint of the environment, at the latest when telemetry closes', async () => {
    const bodies: Buffer[] = [];
    const paths: (string | undefined)[] = [];
    const collector = createServer(async (request, response) => {
      paths.push(request.url);
      bodies.push(Buffer.concat(await collect(request)));
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    }).listen(0, '127.0.0.1');
    await once(collector, 'listening');
    onTestFinished(() => void collector.close());
    const { port } = collector.address() as { port: number };
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${port}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const exporting = await startTelemetry({ service: 'test', member: 'test-7', metrics: false });
    await withSpan('exported span', {}, async () => {});
    await exporting.close(5000);
    expect(paths).toEqual(['/v1/traces']);
    for (const text of ['exported span', 'switchyard-test', 'test-7']) expect(bodies[0]?.includes(text)).toBe(true);
  });

  it('does not wait for a collector that does not answer', async () => {
    const silent = createTcpServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    onTestFinished(() => void silent.close());
    vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${(silent.address() as { port: number }).port}`);
    onTestFinished(() => void vi.unstubAllEnvs());
    const exporting = await startTelemetry({ service: 'test', member: 'test-0', metrics: false });
    await withSpan('lost span', {}, async () => {});
    const startMs = performance.now();
    await exporting.close(200);
    expect(performance.now() - startMs).toBeLessThan(1500);
  });
});

describe('traces that nobody records', () => {
  it('still have one valid id through all services', async () => {
    telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: false });
    const seen: string[] = [];
    const address = await twoServices(() => seen.push(currentTraceparent()));
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await context.with(contextFromTraceparent(parent), () =>
      callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 2000 }),
    );
    await callUnary(inferenceClient(address), 'listModels', {}, { timeoutMs: 2000 });
    expect(seen[0]).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
    expect(seen[1]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(seen[1]?.slice(3, 35)).not.toBe(seen[0]?.slice(3, 35));
  });

  it('ask for no details of a span, sampled or not', async () => {
    telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: false });
    const details = vi.fn(() => ({ attributes: {}, events: [] }));
    for (const flags of ['00', '01']) {
      const parent = `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-${flags}`;
      recordSpan('step', { startUnixNs: 1n, durationNs: 5n, parent, details });
    }
    expect(details).not.toHaveBeenCalled();
  });
});

describe('the propagator', () => {
  const read = { get: (carrier: Record<string, string>, key: string) => carrier[key], keys: Object.keys };

  it.each([
    '',
    'garbage',
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    '00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01',
  ])('ignores %j', (traceparent) => {
    const extracted = traceparentPropagator.extract(ROOT_CONTEXT, { traceparent }, read);
    expect(trace.getSpanContext(extracted)).toBeUndefined();
  });

  it('passes tracestate on', async () => {
    telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: false });
    const carrier = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'a=1,b=2' };
    const out: Record<string, string> = {};
    propagation.inject(propagation.extract(ROOT_CONTEXT, carrier, read), out);
    expect(out).toEqual(carrier);
  });
});

describe('metrics', () => {
  it('are rendered for Prometheus when somebody asks', async () => {
    telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: true });
    metrics
      .getMeter('test')
      .createCounter('switchyard_test_requests', { description: 'Requests' })
      .add(3, { kind: 'x' });
    expect(await renderMetrics()).toMatch(/switchyard_test_requests_total\{kind="x"[^}]*\} 3/);
  });

  it('hold histograms that something else has counted, until they are taken away', async () => {
    telemetry = await startTelemetry({ service: 'test', member: 'test-0', metrics: true });
    const own = { name: 'switchyard_test_call_seconds', description: 'Calls', unit: 's', boundaries: [0.5, 2] };
    const series = { attributes: { kind: 'x' }, counts: [3, 0, 1], sum: 4.5 };
    const ends = [
      registerHistogram({ ...own, read: () => [series] }),
      registerHistogram({
        ...own,
        name: 'switchyard_test_broken_seconds',
        read: () => {
          throw new Error('cannot be read');
        },
      }),
    ];
    const lines = (await renderMetrics()).split('\n').filter((line) => line.includes('switchyard_test_'));
    const labels = 'kind="x",otel_scope_name="@switchyard/test"';
    expect(lines).toEqual([
      '# HELP switchyard_test_call_seconds Calls',
      '# UNIT switchyard_test_call_seconds s',
      '# TYPE switchyard_test_call_seconds histogram',
      `switchyard_test_call_seconds_count{${labels}} 4`,
      `switchyard_test_call_seconds_sum{${labels}} 4.5`,
      `switchyard_test_call_seconds_bucket{${labels},le="0.5"} 3`,
      `switchyard_test_call_seconds_bucket{${labels},le="2"} 3`,
      `switchyard_test_call_seconds_bucket{${labels},le="+Inf"} 4`,
    ]);
    for (const end of ends) end();
    expect(await renderMetrics()).not.toContain('switchyard_test_');
  });
});
