// Any failure of an HTTP request as a status, headers and an OpenAI error body. The only place that does this mapping.
import { type ErrorBody, errorBody } from '@switchyard/openai';
import { ServiceError, toServiceError } from '@switchyard/kit';

export interface HttpError {
  status: number;
  headers: Record<string, string>;
  body: ErrorBody;
}

/** A failure of HTTP itself, with a status of its own: 404 route, 405, 413, 415. */
export class HttpProtocolError extends Error {
  override readonly name = 'HttpProtocolError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }
}

export function toHttpError(error: unknown): HttpError {
  if (error instanceof HttpProtocolError) {
    const { status, code, headers, message } = error;
    return { status, headers, body: errorBody({ message, type: 'invalid_request_error', param: null, code }) };
  }
  const failure = toServiceError(error);
  return { status: failure.httpStatus, headers: retryHeaders(failure), body: serviceErrorBody(failure) };
}

/** The OpenAI error body of a failure, also sent as the last event of a broken stream. */
export function serviceErrorBody(error: ServiceError): ErrorBody {
  return errorBody({
    message: error.code === 'INTERNAL' ? `internal error: ${error.message}` : error.message,
    type: errorType(error.httpStatus),
    param: error.field ?? null,
    code: error.code.toLowerCase(),
  });
}

/** OpenAI's error types by status. */
function errorType(status: number): string {
  if (status === 404 || status === 400 || status === 409) return 'invalid_request_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** `retry-after` is in whole seconds; the official clients prefer `retry-after-ms`. */
function retryHeaders(error: ServiceError): Record<string, string> {
  if (error.retryAfterMs === undefined) return {};
  return { 'retry-after': String(Math.ceil(error.retryAfterMs / 1_000)), 'retry-after-ms': String(error.retryAfterMs) };
}
