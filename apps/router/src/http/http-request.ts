// What every answer-making HTTP request has: its ClientRequest, opened when the headers are there, its origin, and the
// headers that the answer carries. Used by server.ts and the two completion handlers.
import { context, SpanKind } from '@opentelemetry/api';
import { contextFromTraceparent } from '@switchyard/kit';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { RequestOrigin } from '../jobs/request.js';
import type { ClientRequest, Operation } from '../requests/client-request.js';
import { checkCacheSalt, checkTenant, DEFAULT_TENANT } from '../requests/origin.js';
import { openRequest, type Router } from '../router.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on routes that make answers, from their headers on. */
    clientRequest: ClientRequest | null;
  }
  interface FastifyContextConfig {
    /** GenAI operation of a route that makes answers. */
    operation?: Operation;
  }
}

/** Opens the root span and the deadline; the client's leaving ends all the work. */
export function openHttpRequest(
  router: Router,
  request: FastifyRequest,
  reply: FastifyReply,
  operation: Operation,
): void {
  const { traceparent } = request.headers;
  const parent = typeof traceparent === 'string' ? contextFromTraceparent(traceparent) : context.active();
  const clientRequest = openRequest(router, { api: 'http', operation, kind: SpanKind.SERVER, parent });
  request.clientRequest = clientRequest;
  reply.header('x-trace-id', clientRequest.traceId);
  reply.header('traceparent', clientRequest.traceparent);
  // 'close' also follows a finished answer, where this does nothing any more.
  reply.raw.once('close', () => clientRequest.close());
}

/** Request id (checked when the request came in), tenant and cache salt. Throws INVALID_ARGUMENT. */
export function originOf(request: FastifyRequest): RequestOrigin {
  const { 'x-switchyard-tenant': tenant, 'x-switchyard-cache-salt': salt } = request.headers;
  return {
    requestId: request.id,
    tenant: typeof tenant === 'string' ? checkTenant(tenant, 'x-switchyard-tenant') : DEFAULT_TENANT,
    cacheSalt: typeof salt === 'string' ? checkCacheSalt(salt, 'x-switchyard-cache-salt') : '',
  };
}

/** Whom the handlers get from openHttpRequest. */
export function clientRequestOf(request: FastifyRequest): ClientRequest {
  if (request.clientRequest) return request.clientRequest;
  throw new Error('assertion failed: a completion route without an operation');
}
