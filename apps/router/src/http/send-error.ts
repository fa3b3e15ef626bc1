// The one way an HTTP request fails: count it, answer with an OpenAI error body. Installed by server.ts.
import type { Socket } from 'node:net';
import type { Logger, ServiceError } from '@switchyard/kit';
import { type ApiError, internalError } from '@switchyard/openai';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { drainBody } from './drain-body.js';
import { asServiceError, protocolError, toHttpFailure } from './http-error.js';

export async function sendError(
  cause: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
  log: Logger,
): Promise<void> {
  const error = asServiceError(asProtocolError(cause));
  const failure = failedRequest(request, error, log);
  const { status, headers, error: apiError } = toHttpFailure(failure);
  if (status === 413) await drainBody(request.raw);
  // A URL that cannot be decoded fails before the hook that sets the id.
  reply.header('x-request-id', request.id);
  await reply.code(status).headers(headers).send(apiError.toBody());
}

/** A request that makes answers logs its failure itself. */
function failedRequest({ clientRequest, url }: FastifyRequest, error: ServiceError, log: Logger): ServiceError {
  if (clientRequest) return clientRequest.failed(error);
  if (error.httpStatus >= 500) log.warn({ url, err: error }, `request failed: ${error.message}`);
  return error;
}

/** Answers bytes that are no HTTP; there is no request to log or to trace. */
export function answerMalformedHttp(_error: Error, socket: Socket): void {
  if (!socket.writable) return;
  const body = JSON.stringify(protocolError(400, 'malformed_http', 'The request is not valid HTTP.').toBody());
  const head = `HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
}

/** fastify's own refusals in the API's words. */
function asProtocolError(cause: FastifyError | Error): ApiError | Error {
  if (!('code' in cause) || !String(cause.code).startsWith('FST_ERR_')) return cause;
  switch (cause.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return protocolError(413, 'request_too_large', 'The request body is larger than this service takes.');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_EMPTY_TYPE':
      return protocolError(415, 'unsupported_media_type', 'The request body must have content-type: application/json.');
  }
  const { statusCode = 500 } = cause;
  return statusCode < 500
    ? protocolError(statusCode, 'malformed_request', cause.message)
    : internalError(cause.message);
}
