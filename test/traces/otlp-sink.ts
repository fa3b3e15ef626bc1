// A real OTLP receiver for the trace tests: the OpenTelemetry Collector's own (test/otlp-sink, a small Go program around it).
// Starts it, and reads the spans that it prints as lines of OTLP JSON.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { freePort, waitFor } from '@switchyard/testkit';

export interface ReceivedSpan {
  service: string;
  name: string;
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  /** Empty for a root. */
  parentSpanId: string;
  startUnixNs: bigint;
  endUnixNs: bigint;
  attributes: Record<string, unknown>;
  events: ReceivedEvent[];
}

export interface ReceivedEvent {
  name: string;
  unixNs: bigint;
  attributes: Record<string, unknown>;
}

interface OtlpAttribute {
  key: string;
  value: Record<string, unknown>;
}

interface OtlpLine {
  resourceSpans: {
    resource: { attributes?: OtlpAttribute[] };
    scopeSpans: { spans: OtlpSpan[] }[];
  }[];
}

interface OtlpSpan {
  name: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: OtlpAttribute[];
  events?: { name: string; timeUnixNano: string; attributes?: OtlpAttribute[] }[];
}

export class OtlpSink {
  readonly spans: ReceivedSpan[] = [];
  readonly #child: ChildProcess;

  private constructor(
    program: string,
    /** Value for OTEL_EXPORTER_OTLP_ENDPOINT. */
    readonly endpoint: string,
  ) {
    this.#child = spawn(program, ['--http', new URL(endpoint).host], { stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.#child.stdout === null) throw new Error('the sink has no standard output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.spans.push(...spansOf(line)));
  }

  static async start(program: string): Promise<OtlpSink> {
    const sink = new OtlpSink(program, `http://127.0.0.1:${await freePort()}`);
    await waitFor('the OTLP sink to listen', 20_000, async () => {
      const response = await fetch(`${sink.endpoint}/v1/traces`, { method: 'POST' }).catch(() => undefined);
      return response && true;
    });
    return sink;
  }

  spansOfTrace(traceId: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.traceId === traceId);
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin?.end(); // the sink ends with its standard input
    await closed;
  }
}

function spansOf(line: string): ReceivedSpan[] {
  const batch = JSON.parse(line) as OtlpLine;
  return batch.resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)['service.name']);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => convert(service, span)));
  });
}

function convert(service: string, span: OtlpSpan): ReceivedSpan {
  return {
    service,
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId ?? '',
    startUnixNs: BigInt(span.startTimeUnixNano),
    endUnixNs: BigInt(span.endTimeUnixNano),
    attributes: valuesOf(span.attributes),
    events: (span.events ?? []).map(({ name, timeUnixNano, attributes }) => ({
      ...{ name, unixNs: BigInt(timeUnixNano), attributes: valuesOf(attributes) },
    })),
  };
}

/** An OTLP value is an object with one field, named after its type. */
function valuesOf(attributes: readonly OtlpAttribute[] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
