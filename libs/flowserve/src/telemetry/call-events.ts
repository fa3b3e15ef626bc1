// Events of data-plane spans: the XCCL calls of their work, so that a reader sees which layer and which peer were slow. Made from the
// communicator's records by step-spans.ts and expert-spans.ts, for spans of a single step and for transfers. Pure.
import type { Attributes } from '@opentelemetry/api';
import type { RecordedEvent, SpanDetails } from '@switchyard/kit';
import type { CallRange, CallRecord, CallRecords } from '@switchyard/native';

/** A step of a large model makes hundreds of calls; OpenTelemetry keeps 128 events of a span by default. */
const numEventsMax = 32;

/** What a rank knows of its own calls. */
export interface CallSource {
  read(range: CallRange): CallRecords;
  /** Member behind an XCCL rank. */
  peerName(rank: number): string;
}

/**
 * An event for each call of a span, for those that failed and the slowest ones where there are many.
 *
 * @param calls all of the span
 * @param numLost of its range, for whatever span
 */
export function detailsOfCalls({ calls, numLost }: CallRecords, peerName: CallSource['peerName']): SpanDetails {
  const shown = calls.length <= numEventsMax ? [...calls] : [...calls].sort(byNeed).slice(0, numEventsMax);
  return {
    attributes: {
      ...(calls.length > 0 && { 'switchyard.xccl.num_calls': calls.length }),
      ...(numLost > 0n && { 'switchyard.xccl.num_calls_lost': Number(numLost) }),
    },
    events: shown.sort(byStart).map((call) => toEvent(call, peerName)),
  };
}

/** Those that failed before the others, slow ones before quick ones. */
function byNeed(a: CallRecord, b: CallRecord): number {
  const failedFirst = Number(a.code === null) - Number(b.code === null);
  return failedFirst === 0 ? Number(b.durationNs - a.durationNs) : failedFirst;
}

function byStart(a: CallRecord, b: CallRecord): number {
  return Number(a.startUnixNs - b.startUnixNs);
}

function toEvent(call: CallRecord, peerName: CallSource['peerName']): RecordedEvent {
  const attributes: Attributes = {
    ...(call.peer !== null && { 'switchyard.xccl.peer': peerName(call.peer) }),
    ...(call.step !== 0n && {
      'switchyard.xccl.step': Number(call.step),
      'switchyard.xccl.layer': call.layer,
      'switchyard.xccl.micro_batch': call.microBatch,
    }),
    'switchyard.xccl.bytes': Number(call.bytes),
    'switchyard.xccl.duration_ns': Number(call.durationNs),
    ...(call.code !== null && { 'error.type': call.code }),
  };
  return { name: `xccl.${call.primitive}`, unixNs: call.startUnixNs, attributes };
}
