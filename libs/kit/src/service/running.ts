// One service between start and stop: wire, bind, start, SERVING, drain, leave, close. It knows nothing of processes
// and signals; run.ts does.
import { cluster } from '@switchyard/proto';
import type { OptionTable } from '../config/option.js';
import { ServiceError } from '../errors/service-error.js';
import { type GrpcServer, startGrpcServer } from '../rpc/grpc-server.js';
import { HealthStatus } from '../rpc/health.js';
import { unary } from '../rpc/server.js';
import { type GrpcService, grpcService } from '../rpc/service.js';
import { Life, LifeState } from './life-state.js';
import type { ServiceConfig, ServiceContext, ServiceDefinition, Wiring } from './types.js';

const { SERVING, STARTING, DRAINING } = cluster.MemberState;
const closeTimeoutMs = 5000;

export class RunningService<O extends OptionTable> {
  readonly #definition: ServiceDefinition<O>;
  readonly #context: ServiceContext<ServiceConfig<O>>;
  readonly #life = new Life();
  readonly #stopping = new AbortController();
  #starting: Promise<void> | undefined;
  #wiring: Wiring | undefined;
  #server: GrpcServer | undefined;
  #ready = true;
  #fail: (error: Error) => void = () => {};
  /** Rejects when the service says that it cannot go on. */
  readonly failed = new Promise<never>((_, reject) => {
    this.#fail = reject;
  });

  constructor(
    definition: ServiceDefinition<O>,
    context: Omit<ServiceContext<ServiceConfig<O>>, 'signal' | 'setReady' | 'fail'>,
  ) {
    this.#definition = definition;
    this.#context = {
      ...context,
      signal: this.#stopping.signal,
      setReady: (ready, reason) => this.#setReady(ready, reason),
      fail: (error) => this.#fail(error),
    };
  }

  /** Resolves when the service serves. */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Drains and closes, whatever state it is in; never rejects, and always ends within its deadlines. */
  async stop(): Promise<void> {
    this.#stopping.abort(new ServiceError('DRAINING', `${this.#context.config.id} is shutting down`));
    await this.#within(closeTimeoutMs, 'start', () => this.#starting?.catch(() => {}));
    if (this.#life.state === LifeState.serving) await this.#drain();
    this.#life.moveTo(LifeState.closing);
    await this.#within(closeTimeoutMs, 'leaving', () => this.#wiring?.membership?.close());
    await this.#within(closeTimeoutMs, 'closing the server', () => this.#server?.close());
    await this.#within(closeTimeoutMs, 'closing', () => this.#wiring?.close());
    this.#life.moveTo(LifeState.stopped);
  }

  async #start(): Promise<void> {
    const { address, log } = this.#context;
    this.#life.moveTo(LifeState.wiring);
    this.#wiring = await this.#definition.wire(this.#context);
    this.#throwIfStopping();
    this.#life.moveTo(LifeState.starting);
    this.#server = await startGrpcServer([...this.#wiring.grpc, this.#memberService()], address);
    await this.#wiring.start?.();
    this.#throwIfStopping();
    this.#life.moveTo(LifeState.serving);
    this.#publish();
    log.info({ address, sinceStartMs: Math.round(process.uptime() * 1000) }, this.#ready ? 'serving' : 'started');
  }

  async #drain(): Promise<void> {
    this.#life.moveTo(LifeState.draining);
    this.#server?.health.set(HealthStatus.notServing);
    this.#wiring?.membership?.update({ state: DRAINING });
    const { drainTimeoutMs } = this.#context.config;
    await this.#within(drainTimeoutMs, 'draining', () => this.#wiring?.drain?.(drainTimeoutMs));
  }

  #setReady(ready: boolean, reason: string | undefined): void {
    if (ready === this.#ready) return;
    this.#ready = ready;
    this.#context.log.info({ reason }, ready ? 'ready' : 'not ready');
    this.#publish();
  }

  #publish(): void {
    if (this.#life.state !== LifeState.serving) return;
    this.#server?.health.set(this.#ready ? HealthStatus.serving : HealthStatus.notServing);
    this.#wiring?.membership?.update({ state: this.#ready ? SERVING : STARTING });
  }

  #throwIfStopping(): void {
    this.#stopping.signal.throwIfAborted();
  }

  #memberService(): GrpcService {
    const { config, address } = this.#context;
    const alone = () => cluster.Member.fromPartial({ id: config.id, address, state: STARTING });
    return grpcService(cluster.MemberServiceService, {
      describe: unary(() => ({ member: this.#wiring?.membership?.self() ?? alone() })),
    });
  }

  /** Runs one part of the stop; a failure or a passed deadline is logged and the stop goes on. */
  async #within(timeoutMs: number, what: string, body: () => Promise<void> | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<'expired'>((resolve) => {
      timer = setTimeout(() => resolve('expired'), timeoutMs);
    });
    try {
      if ((await Promise.race([body(), expired])) === 'expired') {
        this.#context.log.warn({ timeoutMs }, `${what} did not end in time, going on`);
      }
    } catch (error) {
      this.#context.log.error({ err: error }, `${what} failed, going on`);
    } finally {
      clearTimeout(timer);
    }
  }
}
