// Errors as OpenAI's API tells them: an HTTP status and the body {"error": {message, type, param, code}}.
// Thrown by the request parsers here and by the router's HTTP edge, which writes them out. Knows nothing of our own codes.

export type ApiErrorType = 'invalid_request_error' | 'rate_limit_error' | 'server_error';

/** The body of an error answer, and of an error event in a stream. */
export interface ErrorBody {
  error: { message: string; type: ApiErrorType; param: string | null; code: string | null };
}

/** An error that a client of the HTTP API sees. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  /**
   * @param status HTTP status.
   * @param code Machine-readable reason, for example "model_not_found".
   * @param param Field of the request that is at fault, for example "messages[0].content".
   */
  constructor(
    readonly status: number,
    readonly type: ApiErrorType,
    message: string,
    readonly code: string | null = null,
    readonly param: string | null = null,
  ) {
    super(message);
  }

  toBody(): ErrorBody {
    return { error: { message: this.message, type: this.type, param: this.param, code: this.code } };
  }
}

/** 400: the request itself is wrong. */
export function invalidRequest(message: string, param: string | null = null, code = 'invalid_value'): ApiError {
  return new ApiError(400, 'invalid_request_error', message, code, param);
}

/** 404: no such model is served. */
export function modelNotFound(model: string, servedModels: readonly string[]): ApiError {
  const message = `The model '${model}' does not exist. Served models: ${servedModels.join(', ') || 'none'}.`;
  return new ApiError(404, 'invalid_request_error', message, 'model_not_found', 'model');
}

/** 400: prompt and answer do not fit into the context. `param` is the field to shorten. */
export function contextLengthExceeded(contextTokens: number, askedTokens: string, param: string): ApiError {
  const message = `This model's maximum context length is ${contextTokens} tokens. However, you requested ${askedTokens}.`;
  return new ApiError(400, 'invalid_request_error', message, 'context_length_exceeded', param);
}

/** 429: every queue is full; the router adds a Retry-After header. */
export function tooManyRequests(message: string): ApiError {
  return new ApiError(429, 'rate_limit_error', message, 'rate_limit_exceeded');
}

/** 503: nobody can serve this just now. */
export function unavailable(message: string): ApiError {
  return new ApiError(503, 'server_error', message, 'service_unavailable');
}

/** 500: our fault. */
export function internalError(message: string): ApiError {
  return new ApiError(500, 'server_error', message, 'internal_error');
}
