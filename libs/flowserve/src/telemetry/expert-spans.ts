// Spans of an expert rank's work for sampled requests, from what its native loop measured. Wired by the expert app.
import { recordSpan } from '@switchyard/kit';
import type { ExpertSpan } from '@switchyard/native';
import { traceparentOf } from '../wire.js';

export function recordExpertSpans(spans: readonly ExpertSpan[], attentionMember: (rank: number) => string): void {
  for (const span of spans) {
    recordSpan('expert.compute', {
      startUnixNs: span.startUnixNs,
      durationNs: span.durationNs,
      parent: traceparentOf(span.trace),
      attributes: {
        'switchyard.attention': attentionMember(span.fromRank),
        'switchyard.step': Number(span.step),
        'switchyard.num_layers': span.numLayers,
        'switchyard.num_pairs': span.numPairs,
        'switchyard.compute_ns': Number(span.computeNs),
      },
    });
  }
}
