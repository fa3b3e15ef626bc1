// The router's end of the task protos: one unary prefill, one release, one decode stream. Called by run-job.ts; decides
// nothing.
import { type Context, context } from '@opentelemetry/api';
import { type BidiCall, type CallLimits, type ConnectOptions, callBidi, callUnary, connect } from '@switchyard/kit';
import { task } from '@switchyard/proto';
import type { TaskExecutor } from './te-directory.js';

export type DecodeCall = BidiCall<task.DecodeRequest, task.DecodeResponse>;

/** How long a release may take; nobody waits for it, and the lease frees the blocks if it fails. */
const RELEASE_TIMEOUT_MS = 2_000;

export class TaskClients {
  readonly #options: ConnectOptions;

  constructor(options: ConnectOptions = {}) {
    this.#options = options;
  }

  /** Never retried here: a repeated prefill is a task of its own. */
  prefill(
    te: TaskExecutor,
    request: task.PrefillRequest,
    limits: CallLimits,
    trace: Context,
  ): Promise<task.PrefillResponse> {
    const client = connect(task.PrefillServiceClient, te.address, this.#options);
    return context.with(trace, () => callUnary(client, 'prefill', request, limits));
  }

  releaseKv(te: TaskExecutor, handle: task.KvHandle, trace: Context): Promise<task.ReleaseKvResponse> {
    const client = connect(task.PrefillServiceClient, te.address, this.#options);
    const request = { handle, claimId: Buffer.alloc(0) };
    const limits = { timeoutMs: RELEASE_TIMEOUT_MS, retries: 1 };
    return context.with(trace, () => callUnary(client, 'releaseKv', request, limits));
  }

  decode(te: TaskExecutor, limits: CallLimits, trace: Context): DecodeCall {
    const client = connect(task.DecodeServiceClient, te.address, this.#options);
    return context.with(trace, () => callBidi(client, 'decode', limits));
  }
}
