// The router's end of the task protos: one unary prefill, one release, one decode stream. Called by run-job.ts; decides
// nothing.
import type { ChannelCredentials, Client, ClientOptions } from '@grpc/grpc-js';
import { type Context, context } from '@opentelemetry/api';
import { type BidiCall, type CallLimits, callBidi, callUnary, connect, disconnect } from '@switchyard/kit';
import { task } from '@switchyard/proto';
import type { TaskExecutor } from './te-directory.js';

export type DecodeCall = BidiCall<task.DecodeRequest, task.DecodeResponse>;

type ClientCtor<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => C;

/** How long a release may take; nobody waits for it, and the lease frees the blocks if it fails. */
const RELEASE_TIMEOUT_MS = 2_000;

export class TaskClients {
  /** Epoch of the process last called at an address. */
  readonly #epochs = new Map<string, bigint>();

  /** Never retried here: a repeated prefill is a task of its own. */
  prefill(
    te: TaskExecutor,
    request: task.PrefillRequest,
    limits: CallLimits,
    trace: Context,
  ): Promise<task.PrefillResponse> {
    const client = this.#client(task.PrefillServiceClient, te);
    return context.with(trace, () => callUnary(client, 'prefill', request, limits));
  }

  releaseKv(te: TaskExecutor, handle: task.KvHandle, trace: Context): Promise<task.ReleaseKvResponse> {
    const client = this.#client(task.PrefillServiceClient, te);
    const request = { handle, claimId: Buffer.alloc(0) };
    const limits = { timeoutMs: RELEASE_TIMEOUT_MS, retries: 1 };
    return context.with(trace, () => callUnary(client, 'releaseKv', request, limits));
  }

  decode(te: TaskExecutor, limits: CallLimits, trace: Context): DecodeCall {
    const client = this.#client(task.DecodeServiceClient, te);
    return context.with(trace, () => callBidi(client, 'decode', limits));
  }

  /** A new process at a known address gets a new channel: the old one may be waiting before it tries to connect again. */
  #client<C extends Client>(ctor: ClientCtor<C>, te: TaskExecutor): C {
    const known = this.#epochs.get(te.address);
    if (known !== undefined && known < te.epoch) disconnect(te.address);
    if (known === undefined || known < te.epoch) this.#epochs.set(te.address, te.epoch);
    return connect(ctor, te.address);
  }
}
