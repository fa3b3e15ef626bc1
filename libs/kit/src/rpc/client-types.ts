// Types that pick request and response out of the clients ts-proto generates. They read the last overload of a method.
import type {
  CallOptions,
  Client,
  ClientDuplexStream,
  ClientReadableStream,
  ClientUnaryCall,
  ServiceError as GrpcError,
  Metadata,
} from '@grpc/grpc-js';

type Callback<Res> = (error: GrpcError | null, response: Res) => void;
type Unary<Req, Res> = (
  request: Req,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: Callback<Res>,
) => ClientUnaryCall;
type ServerStream<Req, Res> = (
  request: Req,
  metadata?: Metadata,
  options?: Partial<CallOptions>,
) => ClientReadableStream<Res>;
type Bidi<Req, Res> = (metadata?: Metadata, options?: Partial<CallOptions>) => ClientDuplexStream<Req, Res>;

// A readable stream has all that ClientUnaryCall has, so the two are told apart by what only the stream has.
type Streams<F> = F extends (...args: never[]) => { read(): unknown } ? true : false;
export type UnaryPair<F> =
  Streams<F> extends true ? never : F extends Unary<infer Req, infer Res> ? { request: Req; response: Res } : never;
export type ServerStreamPair<F> =
  F extends ServerStream<infer Req, infer Res> ? { request: Req; response: Res } : never;
export type BidiPair<F> = F extends Bidi<infer Req, infer Res> ? { request: Req; response: Res } : never;

type Own<C> = Exclude<keyof C, keyof Client> & string;
export type UnaryMethod<C> = { [K in Own<C>]: UnaryPair<C[K]> extends never ? never : K }[Own<C>];
export type ServerStreamMethod<C> = { [K in Own<C>]: ServerStreamPair<C[K]> extends never ? never : K }[Own<C>];
export type BidiMethod<C> = { [K in Own<C>]: BidiPair<C[K]> extends never ? never : K }[Own<C>];
