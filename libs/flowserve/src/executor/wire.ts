// Plans and step events to and from executor.v1. Used by both ends of an Execute stream.
import { isErrorCode } from '@switchyard/kit';
import type { NativeErrorCode, StepEvent, StepTiming, StepToken } from '@switchyard/native';
import { common, type executor } from '@switchyard/proto';
import {
  checkNumPromptTokens,
  finishReasonToProto,
  required,
  samplingFromProto,
  samplingToProto,
  sourceFromProto,
  sourceToProto,
  traceFromTraceparent,
  traceparentOf,
} from '../wire.js';
import type { ExecutorPlan } from './executor.js';

export function planToProto(plan: ExecutorPlan): executor.Plan {
  const { masterEpoch, planSeq, maxPrefillTokens, remove, resume } = plan;
  const grant = plan.grant.map(({ seqId, blocks }) => ({ seqId, blocks }));
  return { masterEpoch, planSeq, maxPrefillTokens, add: plan.add.map(addToProto), grant, remove, resume, dpDomain: 0 };
}

function addToProto(spec: ExecutorPlan['add'][number]): executor.AddSequence {
  const { seqId, identity, tokens, numPromptTokens, numComputed, blocks, source, sampling } = spec;
  const { maxNewTokens, stopTokenIds, hold, trace } = spec;
  return {
    seqId,
    identity,
    tokenIds: tokens,
    numPromptTokens,
    numComputed,
    blocks,
    source: source === null ? undefined : sourceToProto(source),
    sampling: samplingToProto(sampling),
    maxNewTokens,
    stopTokenIds,
    hold,
    traceparent: traceparentOf(trace),
  };
}

/** Throws INVALID_ARGUMENT for a field that is missing, and for numbers of prompt tokens that cannot be. */
export function planFromProto(plan: executor.Plan): ExecutorPlan {
  const { masterEpoch, planSeq, maxPrefillTokens, remove, resume } = plan;
  const grant = plan.grant.map(({ seqId, blocks }) => ({ seqId, blocks: [...blocks] }));
  return {
    masterEpoch,
    planSeq,
    maxPrefillTokens,
    add: plan.add.map(addFromProto),
    grant,
    remove: [...remove],
    resume,
  };
}

function addFromProto(add: executor.AddSequence): ExecutorPlan['add'][number] {
  const { seqId, numPromptTokens, numComputed, maxNewTokens, hold } = add;
  checkNumPromptTokens(numPromptTokens, add.tokenIds.length, 'plan.add.num_prompt_tokens');
  return {
    seqId,
    identity: required(add.identity, 'plan.add.identity'),
    tokens: [...add.tokenIds],
    numPromptTokens,
    numComputed,
    blocks: [...add.blocks],
    source: add.source === undefined ? null : sourceFromProto(add.source),
    sampling: samplingFromProto(required(add.sampling, 'plan.add.sampling')),
    maxNewTokens,
    stopTokenIds: [...add.stopTokenIds],
    hold,
    trace: traceFromTraceparent(add.traceparent),
  };
}

export function stepToProto(event: StepEvent): executor.Step {
  const { masterEpoch, appliedPlanSeq, step, starved, pulled, failed } = event;
  return {
    masterEpoch,
    appliedPlanSeq,
    step,
    tokens: event.tokens.map(tokenToProto),
    finished: event.finished.map(({ seqId, reason }) => ({ seqId, reason: finishReasonToProto(reason) })),
    starved,
    pulled,
    failed,
    fault: event.fault ?? undefined,
    timing: event.timing === null ? undefined : { ...event.timing, pullBytes: BigInt(event.timing.pullBytes) },
  };
}

function tokenToProto(token: StepToken): executor.StepToken {
  const { logprob } = token;
  return { ...token, logprob: Number.isNaN(logprob) ? undefined : logprob };
}

export function stepFromProto(step: executor.Step): StepEvent {
  return {
    masterEpoch: step.masterEpoch,
    appliedPlanSeq: step.appliedPlanSeq,
    step: step.step,
    tokens: step.tokens.map((token) => ({ ...token, logprob: token.logprob ?? Number.NaN })),
    finished: step.finished.map(({ seqId, reason }) => ({ seqId, reason: finishReasonFromProto(reason) })),
    starved: step.starved,
    pulled: step.pulled,
    failed: step.failed.map(({ seqId, code, message }) => ({ seqId, code: nativeCode(code), message })),
    fault: step.fault === undefined ? null : { ...step.fault, code: nativeCode(step.fault.code) },
    timing: step.timing === undefined ? null : timingFromProto(step.timing),
  };
}

/** Spans and metrics are recorded where the step ran, so what only they need does not travel. */
function timingFromProto(timing: executor.StepTiming): StepTiming {
  const drafts = { numDrafts: 0, numDraftTokens: 0, numAcceptedTokens: [] };
  const spans = { pullStartUnixNs: 0n, tracedSeqIds: [], calls: { first: 0n, end: 0n } };
  return { ...timing, ...drafts, ...spans, pullBytes: Number(timing.pullBytes) };
}

function finishReasonFromProto(reason: common.FinishReason): 'stop' | 'length' {
  return reason === common.FinishReason.STOP ? 'stop' : 'length';
}

/** A code this build does not know is an internal error of the rank. */
function nativeCode(code: string): NativeErrorCode {
  return isErrorCode(code) ? (code as NativeErrorCode) : 'INTERNAL';
}
