// One request, one trace: spans of all five services, of the control plane and of the data plane, at a real OTLP receiver; and the
// calls of the data plane as events of its spans.
import {
  generate,
  inferenceClient,
  type System,
  startSystem,
  userMessageOf,
  userTurn,
  waitFor,
} from '@switchyard/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { greedyChat, streamChat } from '../framework/http-api.js';
import { needTool } from '../framework/tools.js';
import { GOLDEN, MODEL, printLog, REPO_ROOT } from '../framework/use-system.js';
import { OtlpSink, type ReceivedEvent, type ReceivedSpan } from './otlp-sink.js';

const SERVICES = ['router', 'prefill', 'decode', 'attention', 'expert'];
/** What the native loops record, and the service that must show it. */
const DATA_PLANE = [
  { what: 'KV transfer', service: 'attention', name: /kv/i },
  { what: 'decode step', service: 'attention', name: /step/i },
  { what: 'A2E', service: 'attention', name: /a2e/i },
  { what: 'E2A wait', service: 'attention', name: /e2a/i },
  { what: 'expert compute', service: 'expert', name: /expert/i },
];
const PROMPT = userMessageOf(GOLDEN[0] ?? { text: '', ids: [], greedy_ids: [], greedy_text: '' }) ?? '';
const PARENT_SPAN = 'b7ad6b7169203331';
const MOE_LAYERS = [1, 2, 3, 4]; // of switchyard-tiny
const EXPORT_MS = 10_000; // the exporters' own interval is 5 s

let sink: OtlpSink | undefined;
let system: System | undefined;
afterAll(async () => {
  await system?.stop();
  await sink?.stop();
});

/** Starts receiver and system at the first test that has the tool: without it nothing needs to run. */
async function started(program: string): Promise<{ sink: OtlpSink; system: System }> {
  sink ??= await OtlpSink.start(program);
  system ??= await startSystem(REPO_ROOT, {
    topology: 'full',
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: sink.endpoint, OTEL_BSP_SCHEDULE_DELAY: '200' },
  });
  return { sink, system };
}

describe.each(['HTTP header', 'gRPC metadata'])('trace context from the %s', (from) => {
  test('one trace with spans of all five services and of the data plane', async (context) => {
    const running = await started(needTool(context, 'otlp-sink'));
    const traceId = from === 'HTTP header' ? '0af7651916cd43dd8448eb211c80319c' : '4bf92f3577b34da6a3ce929d0e0e4736';
    const traceparent = `00-${traceId}-${PARENT_SPAN}-01`;
    const reported =
      from === 'HTTP header'
        ? await chatOverHttp(running.system, traceparent)
        : await chatOverGrpc(running.system, traceparent);
    expect(reported).toBe(traceId);
    try {
      await waitFor(
        'a whole trace',
        EXPORT_MS,
        () => missingIn(running.sink.spansOfTrace(traceId)).length === 0 || undefined,
        100,
      );
    } catch {
      printLog('trace', running.system);
      expect.fail(
        `missing: ${missingIn(running.sink.spansOfTrace(traceId)).join(', ')}; there are ${list(running.sink.spans)}`,
      );
    }
    expectOneTree(running.sink.spansOfTrace(traceId));
  });
});

test('a request without trace context gets a trace of its own', async (context) => {
  const running = await started(needTool(context, 'otlp-sink'));
  const outcome = await streamChat(running.system.http, greedyChat(PROMPT, 8));
  const traceId = outcome.headers.get('x-trace-id') ?? '';
  expect(traceId).toMatch(/^(?!0{32})[0-9a-f]{32}$/);
  await waitFor(
    'its spans',
    EXPORT_MS,
    () => missingIn(running.sink.spansOfTrace(traceId)).length === 0 || undefined,
    100,
  );
});

test('the calls of the data plane stand at their spans, with layer and peer', async (context) => {
  const running = await started(needTool(context, 'otlp-sink'));
  const traceId = '7d2f1f0cbb9e4d8fa3b1c54a60e6a1f2';
  await chatOverHttp(running.system, `00-${traceId}-${PARENT_SPAN}-01`);
  const named = (name: string) => running.sink.spansOfTrace(traceId).filter((span) => span.name === name);
  const singlesOf = (name: string) => named(name).filter((span) => span.attributes['switchyard.num_steps'] === '1');
  await waitFor(
    'the first steps, of both expert ranks too',
    EXPORT_MS,
    () => (singlesOf('decode.step').length > 3 && singlesOf('expert.compute').length > 7) || undefined,
    100,
  );
  const singles = singlesOf('decode.step');
  for (const step of singles) {
    for (const event of step.events) expectWithin(step, event);
    expect(layersOf(step, 'xccl.e2a_wait')).toEqual(MOE_LAYERS);
    expect(new Set(layersOf(step, 'xccl.a2e_send'))).toEqual(new Set(MOE_LAYERS));
    expect(step.attributes['switchyard.xccl.num_calls']).toBe(`${step.events.length}`);
  }
  expect(peersOf(singles, 'xccl.a2e_send')).toEqual(['expert-0', 'expert-1']);
  const [attention] = peersOf(named('expert.compute'), 'xccl.e2a_reply');
  expect(attention).toMatch(/^attention-\d$/);
  for (const work of singlesOf('expert.compute')) {
    expect(work.attributes['switchyard.attention']).toBe(attention);
    expect(layersOf(work, 'xccl.e2a_reply')).toHaveLength(Number(work.attributes['switchyard.num_layers']));
    for (const event of work.events) {
      expectWithin(work, event);
      expect(event.attributes['switchyard.xccl.step']).toBe(work.attributes['switchyard.step']);
    }
  }
  expect(peersOf(named('kv.transfer'), 'xccl.get')).toEqual(['prefill-0']);
  for (const transfer of named('kv.transfer')) for (const event of transfer.events) expectWithin(transfer, event);
});

test('no span holds prompt or answer text', async (context) => {
  const running = await started(needTool(context, 'otlp-sink'));
  await streamChat(running.system.http, greedyChat(PROMPT, 32));
  await waitFor('spans', EXPORT_MS, () => running.sink.spans.length > 0 || undefined, 100);
  for (const span of running.sink.spans) expect(JSON.stringify(span.attributes)).not.toMatch(/brave fox|called Tess/);
});

async function chatOverHttp(target: System, traceparent: string): Promise<string | null> {
  const outcome = await streamChat(target.http, greedyChat(PROMPT, 16), { headers: { traceparent } });
  expect(outcome.done).toBe(true);
  return outcome.headers.get('x-trace-id');
}

async function chatOverGrpc(target: System, traceparent: string): Promise<string | undefined> {
  const client = inferenceClient(target.grpc);
  const request = { model: MODEL, input: userTurn(PROMPT), sampling: { temperature: 0 }, maxTokens: 16 };
  const answer = await generate(client, request, { metadata: { traceparent } });
  client.close();
  return answer.started?.traceId;
}

/** What a whole trace still lacks. */
function missingIn(spans: readonly ReceivedSpan[]): string[] {
  const services = SERVICES.filter((service) => !spans.some((span) => span.service.includes(service)));
  const kinds = DATA_PLANE.filter(
    ({ service, name }) => !spans.some((span) => span.service.includes(service) && name.test(`${span.name}`)),
  );
  const ids = new Set(spans.map((span) => span.spanId));
  const orphans = spans.filter(
    ({ parentSpanId }) => parentSpanId !== '' && parentSpanId !== PARENT_SPAN && !ids.has(parentSpanId),
  );
  return [...services, ...kinds.map(({ what }) => what), ...orphans.map(({ name }) => `parent of ${name}`)];
}

/** Layers of the calls of one kind, in the order of time. */
function layersOf({ events }: ReceivedSpan, name: string): number[] {
  return events
    .filter((event) => event.name === name)
    .map((event) => Number(event.attributes['switchyard.xccl.layer']));
}

/** Members that the calls of one kind were with, each once. */
function peersOf(spans: readonly ReceivedSpan[], name: string): unknown[] {
  const events = spans.flatMap((span) => span.events.filter((event) => event.name === name));
  return [...new Set(events.map(({ attributes }) => attributes['switchyard.xccl.peer']))].sort();
}

/** Both by the wall clock, but read at different times. */
function expectWithin(span: ReceivedSpan, event: ReceivedEvent): void {
  const slackNs = 20_000_000n;
  const endUnixNs = event.unixNs + BigInt(String(event.attributes['switchyard.xccl.duration_ns']));
  expect(event.unixNs, `${event.name} begins in ${span.name}`).toBeGreaterThan(span.startUnixNs - slackNs);
  expect(endUnixNs, `${event.name} ends in ${span.name}`).toBeLessThan(span.endUnixNs + slackNs);
}

/** Every span hangs below the client's, through parents that were received too, and ends after it began. */
function expectOneTree(spans: readonly ReceivedSpan[]): void {
  const ids = new Set([PARENT_SPAN, ...spans.map((span) => span.spanId)]);
  expect(ids.size, 'span ids are unique').toBe(spans.length + 1);
  for (const span of spans) {
    expect(ids, `${span.service} ${span.name} has a known parent`).toContain(span.parentSpanId);
    expect(span.endUnixNs >= span.startUnixNs, `${span.service} ${span.name} ends after its start`).toBe(true);
  }
}

function list(spans: readonly ReceivedSpan[]): string {
  return spans.map((span) => `${span.service}/${span.name}`).join(', ') || 'none';
}
