// The project's one error table: what each code means, how it leaves by gRPC and by HTTP, and how far it reaches.
// Everything that maps or documents errors reads this table; docs/errors.md is generated from it, and a test holds
// the native enum (native/base/status.h) and libs/native to it. Add a row here first.
import type { status } from '@grpc/grpc-js';
import { grpcCodes } from './grpc-codes.js';

/** How far a failure reaches: this call only, everything that needs the named peer, or the whole process. */
export type BlastRadius = 'call' | 'peer' | 'process';

export interface ErrorRow {
  /** One sentence for docs/errors.md: what happened, seen by the caller. */
  text: string;
  grpc: status;
  http: number;
  /** Whether the same request can succeed later without being changed. */
  retryable: boolean;
  blast: BlastRadius;
  /** Whether native code returns it too. */
  native: boolean;
}

const row = (grpc: status, http: number, retryable: boolean, blast: BlastRadius, text: string): ErrorRow => ({
  text,
  grpc,
  http,
  retryable,
  blast,
  native: false,
});
const native = (...args: Parameters<typeof row>): ErrorRow => ({ ...row(...args), native: true });

export const errorTable = {
  INVALID_ARGUMENT: native(
    grpcCodes.INVALID_ARGUMENT,
    400,
    false,
    'call',
    'An input is wrong; `field` names it and nothing was done.',
  ),
  CONTEXT_LENGTH_EXCEEDED: row(
    grpcCodes.INVALID_ARGUMENT,
    400,
    false,
    'call',
    'Prompt and answer together do not fit the context of the model.',
  ),
  UNSUPPORTED: native(
    grpcCodes.UNIMPLEMENTED,
    400,
    false,
    'call',
    'This model, topology, option or machine cannot do what was asked.',
  ),
  MODEL_NOT_FOUND: row(grpcCodes.NOT_FOUND, 404, false, 'call', 'No member serves a model of that name.'),
  HANDLE_UNKNOWN: row(
    grpcCodes.NOT_FOUND,
    404,
    false,
    'call',
    'The KV handle was never made by this member, or it was released.',
  ),
  HANDLE_FOREIGN: row(
    grpcCodes.PERMISSION_DENIED,
    403,
    false,
    'call',
    'The KV handle belongs to another tenant or cache salt.',
  ),
  HANDLE_EXPIRED: row(
    grpcCodes.FAILED_PRECONDITION,
    409,
    true,
    'call',
    'The lease of the unclaimed KV handle ended; prefill again.',
  ),
  HANDLE_CLAIMED: row(grpcCodes.FAILED_PRECONDITION, 409, false, 'call', 'Another claim holds the KV handle.'),
  QUEUE_FULL: row(
    grpcCodes.RESOURCE_EXHAUSTED,
    429,
    true,
    'call',
    'Every queue that could take the request is full; retry after the hint.',
  ),
  KV_POOL_EXHAUSTED: row(
    grpcCodes.RESOURCE_EXHAUSTED,
    429,
    true,
    'call',
    'The pool of KV blocks cannot hold the sequence.',
  ),
  RESOURCE_EXHAUSTED: native(grpcCodes.RESOURCE_EXHAUSTED, 429, true, 'call', 'A ring, pool or limit is full.'),
  MEMBER_UNAVAILABLE: row(
    grpcCodes.UNAVAILABLE,
    503,
    true,
    'peer',
    'A member that the request needs is not there or not ready; `member` names it.',
  ),
  PEER_DEAD: native(grpcCodes.UNAVAILABLE, 503, true, 'peer', 'The process of another rank ended or stands still.'),
  DRAINING: row(grpcCodes.UNAVAILABLE, 503, true, 'process', 'The member is shutting down and takes nothing new.'),
  CLOSED: native(grpcCodes.UNAVAILABLE, 503, true, 'process', 'The object was closed while or before it was used.'),
  TIMEOUT: native(
    grpcCodes.UNAVAILABLE,
    503,
    true,
    'peer',
    'A peer did not answer in time and is not known to be dead.',
  ),
  DEADLINE_EXCEEDED: row(grpcCodes.DEADLINE_EXCEEDED, 504, false, 'call', 'The deadline of the request passed.'),
  CANCELLED: row(grpcCodes.CANCELLED, 499, false, 'call', 'The caller went away or cancelled.'),
  STALE: native(grpcCodes.ABORTED, 503, true, 'call', 'A generation or an epoch is older than the live one.'),
  MISMATCH: native(
    grpcCodes.FAILED_PRECONDITION,
    500,
    false,
    'peer',
    'Event id, numeric class, layout or nonce differ from what was agreed.',
  ),
  CORRUPT: native(
    grpcCodes.DATA_LOSS,
    500,
    false,
    'peer',
    'A value read from shared memory, a file or the wire is impossible.',
  ),
  IO: native(grpcCodes.INTERNAL, 500, false, 'process', 'A system call failed; the text names it.'),
  INTERNAL: native(grpcCodes.INTERNAL, 500, false, 'process', 'A broken invariant of our own.'),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

export const errorCodes = Object.keys(errorTable) as ErrorCode[];

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorTable, value);
}
