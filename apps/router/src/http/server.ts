// The public HTTP server: routes, limits, request ids, error bodies. Made by wiring.ts. What an endpoint does is in the
// files beside this one.
import { randomUUID } from 'node:crypto';
import { type Logger, renderMetrics } from '@switchyard/kit';
import { modelBody, modelList, modelNotFound } from '@switchyard/openai';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { checkRequestId } from '../requests/origin.js';
import type { Router } from '../router.js';
import { chatFormat } from './chat.js';
import { completionHandler } from './completion-route.js';
import { completionFormat } from './completions.js';
import { protocolError } from './http-error.js';
import { openHttpRequest } from './http-request.js';
import { parseJsonBody } from './json-body.js';
import { listenError, parseHostPort } from './listen.js';
import { answerMalformedHttp, sendError } from './send-error.js';

export interface HttpServerOptions {
  /** HOST:PORT. */
  listen: string;
  /** Largest body that is read. */
  bodyLimitBytes: number;
}

export interface HttpServer {
  /** Port it listens on. */
  port: number;
  /** Stops listening and ends every connection. */
  close(): Promise<void>;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** On routes that only refuse: the method that the path does take. */
    allowed?: string;
  }
}

/** Time a client has for the headers and body of a request. */
const REQUEST_READ_TIMEOUT_MS = 30_000;

/** Binds the port. Throws FatalStartError when it is taken. */
export async function startHttpServer(router: Router, options: HttpServerOptions, log: Logger): Promise<HttpServer> {
  const app = makeApp(router, options, log);
  const { host, port } = parseHostPort(options.listen);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    throw listenError(cause, options.listen);
  }
  return {
    port: boundPort(app) ?? port,
    async close() {
      const closed = app.close();
      app.server.closeAllConnections();
      await closed;
    },
  };
}

function makeApp(router: Router, options: HttpServerOptions, log: Logger): FastifyInstance {
  const onError = (error: Error, request: FastifyRequest, reply: FastifyReply) => sendError(error, request, reply, log);
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyLimitBytes,
    requestTimeout: REQUEST_READ_TIMEOUT_MS,
    genReqId: () => randomUUID(),
    clientErrorHandler: answerMalformedHttp,
    frameworkErrors: onError,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) =>
    parseJsonBody(body),
  );
  app.decorateRequest('clientRequest', null);
  app.addHook('onRequest', async (request, reply) => begin(router, request, reply));
  app.setErrorHandler(onError);
  app.setNotFoundHandler(async ({ method, url }) => {
    throw protocolError(404, 'not_found', `There is no ${method} ${pathOf(url)}.`);
  });
  addAnswerRoutes(app, router);
  addInfoRoutes(app, router);
  return app;
}

/** Gives every request its id and, where answers are made, its span; an unusable id is refused. */
function begin(router: Router, request: FastifyRequest, reply: FastifyReply): void {
  const { allowed, operation } = request.routeOptions.config;
  const given = request.headers['x-request-id'];
  if (operation) openHttpRequest(router, request, reply, operation);
  reply.header('x-request-id', request.id);
  if (typeof given === 'string') {
    request.id = checkRequestId(given, 'x-request-id');
    reply.header('x-request-id', request.id);
  }
  if (allowed === undefined) return;
  reply.header('allow', allowed);
  throw protocolError(405, 'method_not_allowed', `${pathOf(request.url)} takes ${allowed}, not ${request.method}.`);
}

function addAnswerRoutes(app: FastifyInstance, router: Router): void {
  const chat = completionHandler(router, chatFormat);
  const completion = completionHandler(router, completionFormat);
  app.post('/v1/chat/completions', { config: { operation: 'chat' } }, chat);
  app.post('/v1/completions', { config: { operation: 'text_completion' } }, completion);
  refuseOtherMethods(app, '/v1/chat/completions', 'POST');
  refuseOtherMethods(app, '/v1/completions', 'POST');
}

function addInfoRoutes(app: FastifyInstance, router: Router): void {
  const created = Math.floor(Date.now() / 1_000);
  const entries = router.catalog.models.map(({ name, contextTokens }) => ({ name, created, contextTokens }));
  const get = (path: string, handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>) => {
    app.get(path, handler);
    refuseOtherMethods(app, path, 'GET');
  };
  get('/v1/models', async () => modelList(entries));
  // A wildcard, since model names may hold slashes.
  get('/v1/models/*', async ({ params }) => {
    const name = (params as { '*': string })['*'];
    const entry = entries.find((offered) => offered.name === name);
    if (entry) return modelBody(entry);
    const names = entries.map((offered) => offered.name);
    throw modelNotFound(name, names);
  });
  get('/healthz', async (_request, reply) => {
    const { ready, missing } = router.readiness.look();
    if (!ready) return reply.code(503).send({ status: 'unavailable', missing });
    return missing.length === 0 ? { status: 'ok' } : { status: 'degraded', missing };
  });
  get('/metrics', async (_request, reply) => {
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(await renderMetrics());
  });
}

/** A known path with another method is 405, by the onRequest hook and so before any body is read. */
function refuseOtherMethods(app: FastifyInstance, url: string, allowed: 'GET' | 'POST'): void {
  const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'].filter((method) => {
    return method !== allowed && !(method === 'HEAD' && allowed === 'GET');
  });
  app.route({ method: others, url, config: { allowed }, exposeHeadRoute: false, handler: async () => undefined });
}

function boundPort(app: FastifyInstance): number | undefined {
  const address = app.server.address();
  return typeof address === 'object' ? address?.port : undefined;
}

function pathOf(url: string): string {
  return url.split('?', 1)[0] ?? url;
}
