// Prefill tasks: a prompt's KV and first token, and the handle under which a decode TE claims the KV (D1). The prefill app and
// the colocated decode app serve it; scheduling is the master's.
import { type CallContext, type GrpcService, grpcService, ServiceError, toServiceError, unary } from '@switchyard/kit';
import type { StepToken } from '@switchyard/native';
import { task } from '@switchyard/proto';
import type { KvHandles } from '../kv/handles.js';
import type { DpGroupMaster } from '../master/master.js';
import type { SequenceEnd, SequenceRequest } from '../master/sequence.js';
import { checkNumPromptTokens, deltaToProto, required, traceOf } from '../wire.js';
import type { ActiveCalls } from './active-calls.js';
import { replayOutput } from './output.js';
import {
  checkContext,
  checkIdentity,
  checkModel,
  checkSampling,
  checkStop,
  checkTokenIds,
  type ServedModel,
} from './validate.js';

export interface PrefillTaskOptions {
  model: ServedModel;
  master: DpGroupMaster;
  handles: KvHandles;
  calls: ActiveCalls;
}

export class PrefillTaskService {
  readonly #options: PrefillTaskOptions;

  constructor(options: PrefillTaskOptions) {
    this.#options = options;
  }

  get grpc(): GrpcService {
    return grpcService(task.PrefillServiceService, {
      prefill: unary((request, call) => this.#options.calls.run(() => this.prefill(request, call))),
      claimKv: unary((request: task.ClaimKvRequest) => this.claimKv(request)),
      releaseKv: unary((request: task.ReleaseKvRequest) => this.releaseKv(request)),
    });
  }

  async prefill(request: task.PrefillRequest, call: CallContext): Promise<task.PrefillResponse> {
    const { model, master, handles } = this.#options;
    const identity = checkIdentity(request.identity);
    checkModel(request.model, model);
    checkTokenIds(request.tokenIds, model);
    const { tokenIds, numPromptTokens } = request;
    checkNumPromptTokens(numPromptTokens, tokenIds.length, 'num_prompt_tokens');
    checkContext(tokenIds.length, 1, model);
    const sampling = checkSampling(request.sampling);
    const stop = checkStop(request.stop);
    const output = replayOutput({ model, stop, numPromptTokens, generated: tokenIds.slice(numPromptTokens) });
    const { stopTokenIds } = stop;
    const tokens = { tokens: [...tokenIds], numPromptTokens };
    const sequence = { identity, ...tokens, sampling, stopTokenIds, trace: traceOf(call.span) };
    const { seqId, token } = await runPrefill(master, sequence, call.signal);
    if (call.signal.aborted) {
      master.dropHeld(seqId);
      throw toServiceError(call.signal.reason);
    }
    const handle = handles.create({ master, seqId, identity, numTokens: tokenIds.length, numPromptTokens });
    const delta = output.push(token.tokenId, sampling.logprobs ? token : undefined);
    return { handle, tokenId: token.tokenId, delta: deltaToProto(delta), cachedTokens: 0 };
  }

  claimKv(request: task.ClaimKvRequest): task.ClaimKvResponse {
    const { claimId, claimant, claimantEpoch } = request;
    const location = this.#options.handles.claim(required(request.handle, 'handle'), {
      claimId,
      claimant,
      claimantEpoch,
    });
    return { location };
  }

  releaseKv(request: task.ReleaseKvRequest): task.ReleaseKvResponse {
    this.#options.handles.release(required(request.handle, 'handle'), request.claimId);
    return {};
  }
}

/** Runs one prefill to its end: the held sequence and its token. Cancelled with the signal. */
function runPrefill(
  master: DpGroupMaster,
  request: SequenceRequest,
  signal: AbortSignal,
): Promise<{ seqId: bigint; token: StepToken }> {
  return new Promise((resolve, reject) => {
    let token: StepToken | null = null;
    const onEnd = (end: SequenceEnd) => {
      signal.removeEventListener('abort', onAbort);
      if (end.kind === 'failed') reject(end.error);
      else if (end.kind === 'finished' && token !== null) resolve({ seqId: running.seqId, token });
      else reject(new ServiceError('INTERNAL', `a prefill ended as ${end.kind} without a token`));
    };
    const onAbort = () => {
      running.cancel();
      reject(toServiceError(signal.reason));
    };
    const onTokens = (tokens: StepToken[]) => {
      token = tokens[0] ?? null;
    };
    if (signal.aborted) {
      reject(toServiceError(signal.reason));
      return;
    }
    const running = master.prefill(request, { onTokens, onEnd, onSourceDone: () => {} });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
