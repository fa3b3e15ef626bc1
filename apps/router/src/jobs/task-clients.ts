// The router's end of the task protos: one unary prefill, one release, one decode stream. Called by run-job.ts; decides
// nothing.
import { type BidiCall, type CallLimits, callBidi, callUnary, connect, type ConnectOptions } from '@switchyard/kit';
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
  prefill(te: TaskExecutor, request: task.PrefillRequest, limits: CallLimits): Promise<task.PrefillResponse> {
    return callUnary(connect(task.PrefillServiceClient, te.address, this.#options), 'prefill', request, limits);
  }

  releaseKv(te: TaskExecutor, handle: task.KvHandle): Promise<task.ReleaseKvResponse> {
    const client = connect(task.PrefillServiceClient, te.address, this.#options);
    const request = { handle, claimId: new Uint8Array() };
    return callUnary(client, 'releaseKv', request, { timeoutMs: RELEASE_TIMEOUT_MS, retries: 1 });
  }

  decode(te: TaskExecutor, limits: CallLimits): DecodeCall {
    return callBidi(connect(task.DecodeServiceClient, te.address, this.#options), 'decode', limits);
  }
}
