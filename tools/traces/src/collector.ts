// Gathers the spans of each trace and says when a trace is worth showing: when nothing came for a while, since services
// export in their own time. Used by main.ts.
import type { Span } from './span.js';

// A terminal tool for a person: old traces are dropped, not kept.
const numTracesMax = 200;

export class Collector {
  readonly #traces = new Map<string, { spans: Span[]; timer: NodeJS.Timeout }>();
  readonly #quietMs: number;
  readonly #onTrace: (spans: readonly Span[]) => void;

  /** `onTrace` gets all spans of a trace, again when more of them come later. */
  constructor(quietMs: number, onTrace: (spans: readonly Span[]) => void) {
    this.#quietMs = quietMs;
    this.#onTrace = onTrace;
  }

  add(spans: readonly Span[]): void {
    for (const span of spans) this.#addSpan(span);
    for (const [traceId, { timer }] of this.#traces) {
      if (this.#traces.size <= numTracesMax) break;
      clearTimeout(timer);
      this.#traces.delete(traceId);
    }
  }

  close(): void {
    for (const { timer } of this.#traces.values()) clearTimeout(timer);
    this.#traces.clear();
  }

  #addSpan(span: Span): void {
    const known = this.#traces.get(span.traceId);
    const spans = known?.spans ?? [];
    spans.push(span);
    clearTimeout(known?.timer);
    const timer = setTimeout(() => this.#onTrace(spans), this.#quietMs);
    this.#traces.set(span.traceId, { spans, timer });
  }
}
