// What a service and runService promise each other. A service's wiring.ts fills Wiring; everything else is the kit's.
import type { Meter, Tracer } from '@opentelemetry/api';
import type { cluster } from '@switchyard/proto';
import type { ConfigOf, OptionTable } from '../config/option.js';
import type { Logger } from '../logs/logger.js';
import type { GrpcService } from '../rpc/service.js';
import type { ServiceOptions } from './options.js';

/** Everything that is configured: the service's own options and the common ones; `id` and `runDir` are always set. */
export type ServiceConfig<O extends OptionTable> = ConfigOf<O> &
  Omit<ConfigOf<ServiceOptions>, 'id' | 'runDir'> & { readonly id: string; readonly runDir: string };

export interface ServiceContext<C = ServiceConfig<Record<never, never>>> {
  readonly config: C;
  readonly log: Logger;
  readonly tracer: Tracer;
  readonly meter: Meter;
  /** The gRPC address that others reach this service at: `unix:/path` or `HOST:PORT`. Bound only after `wire`. */
  readonly address: string;
  /** Aborted when draining begins. */
  readonly signal: AbortSignal;
  /**
   * Says whether the service can take work now (it starts as true). While false, health answers NOT_SERVING and the
   * member's state is STARTING; after start this may go up and down, for example while a peer is away.
   */
  setReady(ready: boolean, reason?: string): void;
  /** Stops the service, in order and with exit code 1, because it cannot go on. */
  fail(error: Error): void;
}

/** The part of a membership that the life cycle drives; libs/registry makes one. */
export interface MemberHandle {
  self(): cluster.Member;
  update(patch: { state?: cluster.MemberState }): void;
  /** Leaves: deregisters, with a deadline of its own. */
  close(): Promise<void>;
}

export interface Wiring {
  grpc: GrpcService[];
  /** After the gRPC socket is bound and before SERVING. */
  start?(): Promise<void> | void;
  /** Finishes running work; whatever still runs when the deadline (ms from now) passes is cancelled by close(). */
  drain?(deadlineMs: number): Promise<void>;
  /** Frees everything, whatever state it is in. */
  close(): Promise<void>;
  membership?: MemberHandle;
}

export interface ServiceDefinition<O extends OptionTable> {
  /** Name of the app: 'decode'. */
  name: string;
  /** One sentence for --help. */
  summary: string;
  options: O;
  /** What is wrong with the service's own options taken together; a sentence each. */
  check?: (config: ConfigOf<O>) => readonly string[];
  /** Whether the run directory, where none is given, is a fresh one that goes away with this process. */
  privateRunDir?: boolean;
  /** Whether the service calls renderMetrics() itself; --metrics-listen works without. */
  servesMetrics?: boolean;
  wire(context: ServiceContext<ServiceConfig<O>>): Promise<Wiring> | Wiring;
}
