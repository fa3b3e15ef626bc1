// The rank's end of the Execute stream: serves one executor of this process to one remote master at a time. A stream with a
// higher epoch replaces the one before it; when the stream is lost the sequences are dropped. The attention app serves it.
import { bidi, type CallContext, type GrpcService, grpcService, type Logger, ServiceError } from '@switchyard/kit';
import type { StepEvent } from '@switchyard/native';
import { type cluster, executor } from '@switchyard/proto';
import { idleEpoch } from './epochs.js';
import type { Executor, Readiness } from './executor.js';
import { Outbox } from './outbox.js';
import { planFromProto, stepToProto } from './wire.js';

export interface EndpointOptions {
  memberId: string;
  model: Pick<cluster.ServedModel, 'name' | 'digest'>;
  log: Logger;
}

type Send = (response: executor.ExecuteResponse) => Promise<void>;

interface Session {
  masterEpoch: bigint;
  outbox: Outbox<executor.ExecuteResponse>;
}

/** Events that wait for a slow master; grants bound what a rank can run ahead, so that this is only reached by a stuck one. */
const maxQueuedMessages = 4096;

export class ExecutorEndpoint {
  readonly #options: EndpointOptions;
  #executor: Executor | null = null;
  #session: Session | null = null;
  #highestEpoch = 0n;
  #readiness: Readiness;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#readiness = { ready: false, member: options.memberId, reason: 'is starting' };
  }

  get grpc(): GrpcService {
    return grpcService(executor.ExecutorServiceService, {
      execute: bidi((incoming: AsyncIterable<executor.ExecuteRequest>, send: Send, call) =>
        this.execute(incoming, send, call),
      ),
    });
  }

  /** Begins to serve `local`, once. */
  attach(local: Executor): void {
    this.#executor = local;
    local.start({
      onSteps: (events) => this.#forward(events),
      onReadiness: (readiness) => this.#setReadiness(readiness),
      onLost: (error) => this.#session?.outbox.fail(error),
    });
  }

  async execute(incoming: AsyncIterable<executor.ExecuteRequest>, send: Send, call: CallContext): Promise<void> {
    const messages = incoming[Symbol.asyncIterator]();
    const first = await messages.next();
    const hello = first.done === true ? undefined : first.value.message;
    if (hello?.$case !== 'hello') throw new ServiceError('INVALID_ARGUMENT', 'the first message is not hello');
    const { local, session } = this.#open(hello.value);
    session.outbox.push({ message: { $case: 'welcome', value: welcomeOf(local) } });
    session.outbox.push(readinessMessage(this.#readiness));
    try {
      const isSent = session.outbox.drainTo(send, call.signal);
      // Whichever ends first ends the stream: the sender by a failure, the receiver when the master is done.
      await Promise.race([isSent, this.#receive(messages, local, session)]);
    } finally {
      session.outbox.fail(new ServiceError('CLOSED', 'the stream has ended'));
      if (this.#session === session) this.#drop(session, local);
    }
  }

  #open(hello: executor.Hello): { local: Executor; session: Session } {
    const { memberId, model, log } = this.#options;
    const local = this.#executor;
    if (local === null) {
      const detail = { member: memberId, retryAfterMs: 200 };
      throw new ServiceError('MEMBER_UNAVAILABLE', `${memberId} is starting`, detail);
    }
    if (hello.model !== model.name || hello.modelDigest !== model.digest) {
      const theirs = `${hello.model} (${hello.modelDigest})`;
      const text = `${memberId} has ${model.name} (${model.digest}), another model than ${hello.master}, which has ${theirs}`;
      throw new ServiceError('MISMATCH', text);
    }
    const { masterEpoch } = hello;
    if (masterEpoch <= this.#highestEpoch) {
      throw new ServiceError('STALE', `${memberId} obeys epoch ${this.#highestEpoch}, not ${masterEpoch}`);
    }
    if (this.#session !== null) {
      this.#session.outbox.fail(new ServiceError('STALE', `replaced by ${hello.master} of epoch ${masterEpoch}`));
      this.#drop(this.#session, local);
    }
    this.#highestEpoch = idleEpoch(masterEpoch);
    const session = { masterEpoch, outbox: new Outbox<executor.ExecuteResponse>(maxQueuedMessages) };
    this.#session = session;
    log.info({ master: hello.master, masterEpoch: `${masterEpoch}` }, 'a master commands this rank');
    return { local, session };
  }

  async #receive(messages: AsyncIterator<executor.ExecuteRequest>, local: Executor, session: Session): Promise<void> {
    for (;;) {
      const result = await messages.next();
      if (result.done === true) return;
      if (this.#session !== session) return;
      const { message } = result.value;
      if (message?.$case !== 'plan') throw new ServiceError('INVALID_ARGUMENT', 'the message is not a plan');
      const plan = planFromProto(message.value);
      if (plan.masterEpoch !== session.masterEpoch) throw new ServiceError('STALE', 'a plan of another epoch');
      local.submit(plan);
    }
  }

  /** The master is gone: an empty plan of a higher epoch drops its sequences. */
  #drop(session: Session, local: Executor): void {
    this.#session = null;
    const masterEpoch = idleEpoch(session.masterEpoch);
    local.submit({ masterEpoch, planSeq: 1n, maxPrefillTokens: 1, add: [], grant: [], remove: [], resume: true });
    this.#options.log.info({ masterEpoch: `${session.masterEpoch}` }, 'the master is gone, its sequences are dropped');
  }

  #forward(events: StepEvent[]): void {
    const session = this.#session;
    if (session === null) return;
    for (const event of events) {
      if (event.masterEpoch !== session.masterEpoch) continue;
      session.outbox.push({ message: { $case: 'step', value: stepToProto(event) } });
    }
  }

  #setReadiness(readiness: Readiness): void {
    this.#readiness = readiness;
    this.#session?.outbox.push(readinessMessage(readiness));
  }
}

function welcomeOf({ info }: Executor): executor.Welcome {
  const { memberEpoch: epoch, ...others } = info;
  return { epoch, ...others };
}

function readinessMessage(readiness: Readiness): executor.ExecuteResponse {
  const { ready } = readiness;
  const { member, reason } = ready ? { member: '', reason: '' } : readiness;
  return { message: { $case: 'readiness', value: { ready, member, reason } } };
}
