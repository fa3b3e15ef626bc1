// What a client may see of an error that a task ran into. Called by run-job.ts, once for each failed try.
import { type ErrorCode, ServiceError } from '@switchyard/kit';

/** Errors between TEs that mean to a client only that the cluster lost the state of the request. */
const lostState: ReadonlySet<ErrorCode> = new Set([
  'HANDLE_UNKNOWN',
  'HANDLE_EXPIRED',
  'HANDLE_CLAIMED',
  'STALE',
  'PEER_DEAD',
]);

const RETRY_AFTER_MS = 1_000;

/** The error with the member it arose at; internal states of a KV transfer become MEMBER_UNAVAILABLE. */
export function clientError(error: ServiceError, te: string): ServiceError {
  const member = error.member ?? te;
  if (lostState.has(error.code)) {
    const message = `the KV cache of the request was lost at ${member} (${error.code})`;
    return new ServiceError('MEMBER_UNAVAILABLE', message, { member, retryAfterMs: RETRY_AFTER_MS, cause: error });
  }
  if (error.httpStatus < 500 && error.httpStatus !== 429) return error;
  return new ServiceError(error.code, error.message, {
    member,
    cause: error,
    ...(error.field === undefined ? {} : { field: error.field }),
    ...retryHint(error),
  });
}

function retryHint(error: ServiceError): { retryAfterMs?: number } {
  if (error.retryAfterMs !== undefined) return { retryAfterMs: error.retryAfterMs };
  return error.retryable ? { retryAfterMs: RETRY_AFTER_MS } : {};
}
