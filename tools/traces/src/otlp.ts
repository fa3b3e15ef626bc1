// Decodes what an OTLP/HTTP exporter posts: ExportTraceServiceRequest of opentelemetry-proto, as far as tree.ts shows it.
// Field numbers: https://github.com/open-telemetry/opentelemetry-proto, trace/v1/trace.proto and common/v1/common.proto.
// Unknown fields are skipped, as protobuf wants it.
import { BinaryReader, type WireType } from '@bufbuild/protobuf/wire';
import type { AttributeValue, Span, SpanEvent } from './span.js';

type Attributes = Map<string, AttributeValue>;
/** What to do with each field of a message, by its number. */
type Fields = Record<number, (reader: BinaryReader) => void>;

/** Throws for bytes that are no protobuf. */
export function decodeSpans(bytes: Uint8Array): Span[] {
  const spans: Span[] = [];
  readFields(bytes, { 1: (reader) => spans.push(...decodeResourceSpans(reader.bytes())) });
  return spans;
}

function decodeResourceSpans(bytes: Uint8Array): Span[] {
  const resource: Attributes = new Map();
  const spans: Span[] = [];
  readFields(bytes, {
    1: (reader) => readFields(reader.bytes(), { 1: (inner) => addAttribute(resource, inner.bytes()) }),
    2: (reader) => readFields(reader.bytes(), { 2: (inner) => spans.push(decodeSpan(inner.bytes())) }),
  });
  // The resource may follow its spans on the wire.
  const member = String(resource.get('service.instance.id') ?? resource.get('service.name') ?? 'unknown');
  return spans.map((span) => ({ ...span, member }));
}

function decodeSpan(bytes: Uint8Array): Span {
  const attributes: Attributes = new Map();
  const events: SpanEvent[] = [];
  const ids = { traceId: '', spanId: '', parentSpanId: '' };
  const span: Span = {
    ...ids,
    name: '',
    member: '',
    startUnixNs: 0n,
    endUnixNs: 0n,
    attributes,
    events,
    error: undefined,
  };
  readFields(bytes, {
    1: (reader) => {
      span.traceId = hex(reader);
    },
    2: (reader) => {
      span.spanId = hex(reader);
    },
    4: (reader) => {
      span.parentSpanId = hex(reader);
    },
    5: (reader) => {
      span.name = reader.string();
    },
    7: (reader) => {
      span.startUnixNs = BigInt(reader.fixed64());
    },
    8: (reader) => {
      span.endUnixNs = BigInt(reader.fixed64());
    },
    9: (reader) => addAttribute(attributes, reader.bytes()),
    11: (reader) => events.push(decodeEvent(reader.bytes())),
    15: (reader) => {
      span.error = decodeError(reader.bytes());
    },
  });
  return span;
}

function decodeEvent(bytes: Uint8Array): SpanEvent {
  const event: SpanEvent = { name: '', unixNs: 0n, attributes: new Map() };
  readFields(bytes, {
    1: (reader) => {
      event.unixNs = BigInt(reader.fixed64());
    },
    2: (reader) => {
      event.name = reader.string();
    },
    3: (reader) => addAttribute(event.attributes, reader.bytes()),
  });
  return event;
}

const statusError = 2;

function decodeError(bytes: Uint8Array): string | undefined {
  let message = '';
  let code = 0;
  readFields(bytes, {
    2: (reader) => {
      message = reader.string();
    },
    3: (reader) => {
      code = reader.int32();
    },
  });
  return code === statusError ? message : undefined;
}

function addAttribute(attributes: Attributes, bytes: Uint8Array): void {
  let key = '';
  let value: AttributeValue = '';
  readFields(bytes, {
    1: (reader) => {
      key = reader.string();
    },
    2: (reader) => {
      value = decodeValue(reader.bytes());
    },
  });
  attributes.set(key, value);
}

function decodeValue(bytes: Uint8Array): AttributeValue {
  let value: AttributeValue = '';
  const set = (found: AttributeValue) => {
    value = found;
  };
  readFields(bytes, {
    1: (reader) => set(reader.string()),
    2: (reader) => set(reader.bool()),
    3: (reader) => set(BigInt(reader.int64())),
    4: (reader) => set(reader.double()),
    5: (reader) => set(decodeArray(reader.bytes())),
  });
  return value;
}

function decodeArray(bytes: Uint8Array): AttributeValue[] {
  const values: AttributeValue[] = [];
  readFields(bytes, { 1: (reader) => values.push(decodeValue(reader.bytes())) });
  return values;
}

function readFields(bytes: Uint8Array, fields: Fields): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType]: [number, WireType] = reader.tag();
    const read = fields[number];
    if (read) read(reader);
    else reader.skip(wireType, number);
  }
}

function hex(reader: BinaryReader): string {
  return Buffer.from(reader.bytes()).toString('hex');
}
