// Any failure of an HTTP request as a status, headers and an OpenAI error body. The only place that does this mapping.
import { ServiceError, toServiceError } from '@switchyard/kit';
import { ApiError, type ApiErrorType } from '@switchyard/openai';

export interface HttpFailure {
  status: number;
  headers: Record<string, string>;
  error: ApiError;
}

/** A failure of HTTP itself: unknown route, method, media type, body size. */
export function protocolError(status: number, code: string, message: string): ApiError {
  return new ApiError(status, 'invalid_request_error', message, code);
}

/** Any thrown value as the error the rest of the router works with; an ApiError stays its cause and is told as it is. */
export function asServiceError(error: unknown): ServiceError {
  if (!(error instanceof ApiError)) return toServiceError(error);
  const field = error.param === null ? {} : { field: error.param };
  return new ServiceError('INVALID_ARGUMENT', error.message, { ...field, cause: error });
}

export function toHttpFailure(failure: ServiceError): HttpFailure {
  const error = failure.cause instanceof ApiError ? failure.cause : toApiError(failure);
  return { status: error.status, headers: retryHeaders(failure), error };
}

function toApiError(error: ServiceError): ApiError {
  const type = errorType(error.httpStatus);
  return new ApiError(error.httpStatus, type, error.message, error.code.toLowerCase(), error.field ?? null);
}

function errorType(status: number): ApiErrorType {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** `retry-after` is in whole seconds; the official clients prefer `retry-after-ms`. */
function retryHeaders(error: ServiceError): Record<string, string> {
  if (error.retryAfterMs === undefined) return {};
  return { 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)), 'retry-after-ms': String(error.retryAfterMs) };
}
