// The executor behind one Execute stream to an attention rank. One object is one connection under one master epoch: when the
// stream is lost the object is, and with it the rank's sequences (D3); the group's supervisor opens the next one.
import { type BidiCall, callBidi, connect, ServiceError, toServiceError } from '@switchyard/kit';
import { type cluster, executor } from '@switchyard/proto';
import type { Executor, ExecutorInfo, ExecutorListener, ExecutorPlan } from './executor.js';
import { planToProto, stepFromProto } from './wire.js';

export interface RemoteOptions {
  /** gRPC address of the rank's service. */
  address: string;
  memberId: string;
  memberEpoch: bigint;
  /** Name of the group, for the rank's log. */
  master: string;
  masterEpoch: bigint;
  model: Pick<cluster.ServedModel, 'name' | 'digest'>;
  connectTimeoutMs: number;
}

type Call = BidiCall<executor.ExecuteRequest, executor.ExecuteResponse>;

/** Every call has a deadline; a stream that lives this long is opened anew. */
const streamTimeoutMs = 20 * 24 * 3600 * 1000;

/**
 * Opens the stream and greets the rank.
 *
 * @throws MEMBER_UNAVAILABLE or TIMEOUT when it does not answer, STALE when it runs under a higher epoch, MISMATCH for another model.
 */
export async function connectExecutor(options: RemoteOptions): Promise<RemoteExecutor> {
  const { address, master, masterEpoch, model, memberId, memberEpoch, connectTimeoutMs } = options;
  const client = connect(executor.ExecutorServiceClient, address);
  const call = callBidi(client, 'execute', { timeoutMs: streamTimeoutMs, member: memberId });
  const late = new ServiceError('TIMEOUT', `${memberId} did not answer for ${connectTimeoutMs} ms`, {
    member: memberId,
  });
  const timer = setTimeout(() => call.cancel(), connectTimeoutMs);
  const messages = call.receive[Symbol.asyncIterator]();
  const startMs = performance.now();
  try {
    const { name, digest: modelDigest } = model;
    const hello = { master, masterEpoch, model: name, modelDigest, dpDomain: 0 };
    await call.send({ message: { $case: 'hello', value: hello } });
    const first = await messages.next();
    const message = first.done === true ? undefined : first.value.message;
    if (message?.$case !== 'welcome')
      throw new ServiceError('MEMBER_UNAVAILABLE', `${memberId} did not welcome the master`);
    if (message.value.epoch !== memberEpoch) throw new ServiceError('STALE', `${memberId} has started again`);
    return new RemoteExecutor(call, messages, infoOf(message.value));
  } catch (error) {
    call.cancel();
    throw performance.now() - startMs >= connectTimeoutMs ? late : error;
  } finally {
    clearTimeout(timer);
  }
}

export class RemoteExecutor implements Executor {
  #listener: ExecutorListener | null = null;
  #isOver = false;

  constructor(
    private readonly call: Call,
    private readonly messages: AsyncIterator<executor.ExecuteResponse>,
    readonly info: ExecutorInfo,
  ) {}

  /** Not ready until the rank says so, which it does right after its welcome. */
  start(listener: ExecutorListener): void {
    this.#listener = listener;
    listener.onReadiness({ ready: false, member: this.info.memberId, reason: 'is connecting' });
    void this.#receive();
  }

  submit(plan: ExecutorPlan): void {
    if (this.#isOver) return;
    this.call.send({ message: { $case: 'plan', value: planToProto(plan) } }).catch((error) => this.#lose(error));
  }

  close(): void {
    this.#isOver = true;
    this.call.cancel();
  }

  async #receive(): Promise<void> {
    try {
      for (;;) {
        const result = await this.messages.next();
        if (result.done === true) throw new ServiceError('MEMBER_UNAVAILABLE', 'the stream ended');
        if (this.#isOver) return;
        this.#read(result.value);
      }
    } catch (error) {
      this.#lose(error);
    }
  }

  #read({ message }: executor.ExecuteResponse): void {
    if (message?.$case === 'step') this.#listener?.onSteps([stepFromProto(message.value)]);
    if (message?.$case === 'readiness') {
      const { ready, member, reason } = message.value;
      this.#listener?.onReadiness(ready ? { ready } : { ready, member, reason });
    }
  }

  #lose(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.call.cancel();
    const { memberId } = this.info;
    const text = `${memberId} is lost: ${toServiceError(error).message}`;
    const detail = { member: memberId, retryAfterMs: 1000, cause: error };
    this.#listener?.onLost(new ServiceError('MEMBER_UNAVAILABLE', text, detail));
  }
}

function infoOf(welcome: executor.Welcome): ExecutorInfo {
  const { epoch: memberEpoch, ...others } = welcome;
  return { memberEpoch, ...others };
}
