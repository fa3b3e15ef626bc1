import type { ChannelCredentials, Client, ClientOptions } from '@grpc/grpc-js';
import type {
  BidiMethod,
  BidiPair,
  ServerStreamMethod,
  ServerStreamPair,
  UnaryMethod,
  UnaryPair,
} from './client-types.js';
import type { CallContext } from './server.js';

export interface CallLimits {
  /** Every call has a deadline: ms from now. */
  timeoutMs: number;
  signal?: AbortSignal;
  /** The call being answered: its cancellation and its remaining time bound this one too. */
  within?: CallContext;
}

export interface UnaryLimits extends CallLimits {
  /** Further attempts after UNAVAILABLE, within the same deadline; 0 by default. Only for calls that may run twice. */
  retries?: number;
}

export interface BidiCall<Req, Res> {
  /** Resolves when there is room for more; rejects when the call has ended. */
  send(request: Req): Promise<void>;
  receive: AsyncIterable<Res>;
  /** No more requests. */
  end(): void;
  cancel(): void;
}

export interface ConnectOptions {
  credentials?: ChannelCredentials;
}

type ClientCtor<C extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: Partial<ClientOptions>,
) => C;

export declare function connect<C extends Client>(ctor: ClientCtor<C>, address: string, options?: ConnectOptions): C;

export declare function callUnary<C extends Client, M extends UnaryMethod<C>>(
  client: C,
  method: M,
  request: UnaryPair<C[M]>['request'],
  limits: UnaryLimits,
): Promise<UnaryPair<C[M]>['response']>;

export declare function callServerStream<C extends Client, M extends ServerStreamMethod<C>>(
  client: C,
  method: M,
  request: ServerStreamPair<C[M]>['request'],
  limits: CallLimits,
): AsyncIterable<ServerStreamPair<C[M]>['response']>;

export declare function callBidi<C extends Client, M extends BidiMethod<C>>(
  client: C,
  method: M,
  limits: CallLimits,
): BidiCall<BidiPair<C[M]>['request'], BidiPair<C[M]>['response']>;
