// A span as this tool shows it. Filled by otlp.ts, read by tree.ts.

export type AttributeValue = string | number | bigint | boolean | AttributeValue[];

export interface SpanEvent {
  name: string;
  unixNs: bigint;
  attributes: Map<string, AttributeValue>;
}

export interface Span {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
  /** Empty for a root. */
  parentSpanId: string;
  name: string;
  /** `service.instance.id` of the process, else its `service.name`. */
  member: string;
  startUnixNs: bigint;
  endUnixNs: bigint;
  attributes: Map<string, AttributeValue>;
  events: SpanEvent[];
  /** Message of a span that failed; undefined for one that did not. */
  error: string | undefined;
}
