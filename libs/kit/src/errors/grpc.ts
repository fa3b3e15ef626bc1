// The one place where errors become gRPC statuses and statuses become errors again. The code, field and retry hint
// travel as an ErrorDetail in the metadata key `switchyard-error-bin`, so that nothing is lost between services.
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { common } from '@switchyard/proto';
import { ServiceError, type ServiceErrorDetail, toServiceError } from './service-error.js';
import { type ErrorCode, errorTable, isErrorCode } from './table.js';

const detailKey = 'switchyard-error-bin';

// NOTE: a status message becomes an HTTP/2 header; what is longer is cut, not refused by the peer.
const messageLengthMax = 2000;

/** Status to end a call with. */
export function toGrpcStatus(thrown: unknown): StatusObject {
  const error = toServiceError(thrown);
  const detail = common.ErrorDetail.fromPartial({
    code: error.code,
    field: error.field ?? '',
    retryAfterMs: Math.ceil(error.retryAfterMs ?? 0),
    member: error.member ?? '',
  });
  const metadata = new Metadata();
  metadata.set(detailKey, Buffer.from(common.ErrorDetail.encode(detail).finish()));
  return { code: errorTable[error.code].grpc, details: error.message.slice(0, messageLengthMax), metadata };
}

/**
 * Error of a call that failed. With our detail it is the error that the other side threw; without one, the code is
 * the nearest to the gRPC status. `member` names the other side where the detail names none.
 */
export function fromGrpcError(thrown: unknown, member?: string): ServiceError {
  if (thrown instanceof ServiceError || !isGrpcError(thrown)) return toServiceError(thrown);
  const detail = detailOf(thrown.metadata);
  const known = detail && isErrorCode(detail.code) ? detail.code : undefined;
  const code = known ?? codeOfStatus[thrown.code] ?? 'INTERNAL';
  const extra: ServiceErrorDetail = { cause: thrown };
  if (detail?.field) extra.field = detail.field;
  if (detail?.retryAfterMs) extra.retryAfterMs = detail.retryAfterMs;
  const from = detail?.member || member;
  if (from) extra.member = from;
  return new ServiceError(code, thrown.details || thrown.message, extra);
}

function isGrpcError(value: unknown): value is StatusObject & Error {
  return value instanceof Error && typeof Reflect.get(value, 'code') === 'number' && Reflect.has(value, 'details');
}

function detailOf(metadata: Metadata | undefined): common.ErrorDetail | undefined {
  const bytes = metadata?.get(detailKey)[0];
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return common.ErrorDetail.decode(bytes);
  } catch {
    return undefined; // a peer of another version; the gRPC status still tells enough
  }
}

/** For statuses that gRPC itself makes; what only a service can mean comes with a detail. */
const codeOfStatus: Partial<Record<status, ErrorCode>> = {
  [status.CANCELLED]: 'CANCELLED',
  [status.INVALID_ARGUMENT]: 'INVALID_ARGUMENT',
  [status.OUT_OF_RANGE]: 'INVALID_ARGUMENT',
  [status.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [status.ABORTED]: 'STALE',
  [status.RESOURCE_EXHAUSTED]: 'RESOURCE_EXHAUSTED',
  [status.UNIMPLEMENTED]: 'UNSUPPORTED',
  [status.UNAVAILABLE]: 'MEMBER_UNAVAILABLE',
  [status.DATA_LOSS]: 'CORRUPT',
};
