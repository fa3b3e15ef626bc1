// Conversion between the protos and what the flow works with. The one place that knows both; checks little but presence.

import type { Span } from '@opentelemetry/api';
import { ServiceError } from '@switchyard/kit';
import type { KvSource, SamplingSpec, TraceRef } from '@switchyard/native';
import { common, type task } from '@switchyard/proto';
import type { OutputDelta, TokenLogprob } from '@switchyard/tokenizer';

/** A field that proto3 lets one leave out but the contract does not. */
export function required<T>(value: T | undefined, field: string): T {
  if (value !== undefined) return value;
  throw new ServiceError('INVALID_ARGUMENT', `${field} is missing`, { field });
}

/** @throws INVALID_ARGUMENT when not one to all of a sequence's tokens are its prompt. */
export function checkNumPromptTokens(numPromptTokens: number, numTokens: number, field: string): void {
  if (numPromptTokens >= 1 && numPromptTokens <= numTokens) return;
  throw new ServiceError('INVALID_ARGUMENT', `${field} is ${numPromptTokens} of ${numTokens} tokens`, { field });
}

export function samplingFromProto(params: common.SamplingParams): SamplingSpec {
  const { temperature, topK, topP, minP, seed, logprobs, topLogprobs } = params;
  return { temperature, topK, topP, minP, seed, logprobs, topLogprobs };
}

export function samplingToProto(spec: SamplingSpec): common.SamplingParams {
  const { temperature, topK, topP, minP, seed, logprobs, topLogprobs } = spec;
  return { temperature, topK, topP, minP, seed, logprobs, topLogprobs };
}

export function sourceFromProto(location: task.KvLocation): KvSource {
  const { rank, rankEpoch, regionOffset, generationOffset, blockBytes, layoutVersion } = location;
  const { blocks, generations, numTokens } = location;
  const region = { rank, epoch: rankEpoch, regionOffset, generationOffset, blockBytes, layoutVersion };
  return { ...region, blocks: [...blocks], generations: [...generations], numTokens };
}

export function sourceToProto(source: KvSource): task.KvLocation {
  const { rank, epoch, regionOffset, generationOffset, blockBytes, layoutVersion } = source;
  const { blocks, generations, numTokens } = source;
  const region = { rank, rankEpoch: epoch, regionOffset, generationOffset, blockBytes, layoutVersion };
  return { ...region, blocks, generations, numTokens };
}

export function deltaToProto(delta: OutputDelta): common.OutputDelta {
  const { text, tokenIds, logprobs, finishReason } = delta;
  return { text, tokenIds, logprobs: logprobs.map(logprobToProto), finishReason: finishReasonToProto(finishReason) };
}

function logprobToProto({ tokenId, logprob, tokenBytes, top }: TokenLogprob): common.TokenLogprob {
  return {
    tokenId,
    logprob,
    tokenBytes: Buffer.from(tokenBytes),
    top: top.map((entry) => ({ ...entry, tokenBytes: Buffer.from(entry.tokenBytes) })),
  };
}

export function finishReasonToProto(reason: 'stop' | 'length' | null): common.FinishReason {
  if (reason === null) return common.FinishReason.UNSPECIFIED;
  return reason === 'stop' ? common.FinishReason.STOP : common.FinishReason.LENGTH;
}

/** The span that a sequence's data-plane spans hang under; null when the request is not sampled. */
export function traceOf(span: Span): TraceRef | null {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return (traceFlags & 1) === 1 ? { traceId, spanId } : null;
}

/** W3C traceparent of a sampled request; '' for null. */
export function traceparentOf(trace: TraceRef | null): string {
  return trace === null ? '' : `00-${trace.traceId}-${trace.spanId}-01`;
}

export function traceFromTraceparent(traceparent: string): TraceRef | null {
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(traceparent);
  if (match === null || (Number.parseInt(match[3] as string, 16) & 1) === 0) return null;
  return { traceId: match[1] as string, spanId: match[2] as string };
}
