import type { Attributes, Context, Span, SpanContext } from '@opentelemetry/api';

export interface RecordedSpan {
  startUnixNs: bigint;
  durationNs: bigint;
  /** A W3C traceparent or a span context; without one the span active now is the parent. */
  parent?: string | SpanContext;
  attributes?: Attributes;
  /** Message of the failure, for a span that failed. */
  error?: string;
}

export declare function recordSpan(name: string, span: RecordedSpan): void;

/** W3C traceparent of a context (the active one by default); '' when there is no span in it. */
export declare function currentTraceparent(from?: Context): string;

/** Context whose parent is the span a traceparent names; the active context when it is malformed. */
export declare function contextFromTraceparent(traceparent: string): Context;

/** Runs `body` in a new child span, which ends with it and records its failure. */
export declare function withSpan<T>(name: string, attributes: Attributes, body: (span: Span) => Promise<T>): Promise<T>;
