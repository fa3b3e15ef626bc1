// The only place that constructs the router's parts.
import { ServerCredentials } from '@grpc/grpc-js';
import {
  FatalStartError,
  type GrpcServer,
  HealthStatus,
  type Logger,
  type ServiceConfig,
  type ServiceContext,
  startGrpcServer,
  type Wiring,
} from '@switchyard/kit';
import { ModelError } from '@switchyard/model';
import { cacheFolder, type NamedModel, namedModels, openModel } from '@switchyard/model-files';
import { cluster } from '@switchyard/proto';
import { joinCluster } from '@switchyard/registry';
import { TokenizerError } from '@switchyard/tokenizer';
import type { routerOptions } from './config.js';
import { type HttpServer, startHttpServer } from './http/server.js';
import { JobRunner } from './jobs/job-runner.js';
import { ModelCatalog } from './jobs/model-catalog.js';
import type { RouterModel } from './jobs/router-model.js';
import { TaskClients } from './jobs/task-clients.js';
import { RouterMetrics } from './metrics.js';
import { toRouterModel } from './model.js';
import { Readiness } from './readiness.js';
import type { Router } from './router.js';
import { inferenceService } from './service.js';

export type RouterContext = ServiceContext<ServiceConfig<typeof routerOptions>>;

export async function wire(context: RouterContext): Promise<Wiring> {
  const { config, log, meter, tracer } = context;
  const cacheDir = cacheFolder(config.cacheDir);
  const offered = namedModels(config.model, config.name).map((model) => openOffered(model, cacheDir, log));
  const models = await Promise.all(offered);
  const membership = await joinCluster(context, { kind: cluster.MemberKind.ROUTER });
  const catalog = new ModelCatalog(membership, models);
  const metrics = new RouterMetrics(meter);
  const clients = new TaskClients();
  const runner = new JobRunner({ catalog, clients, metrics, tracer, log, maxJobs: config.maxJobs });
  const { requestTimeoutMs } = config;
  const ports = new PublicPorts(context, {
    catalog,
    runner,
    readiness: new Readiness(catalog, runner),
    tools: { tracer, metrics, log },
    requestTimeoutMs,
  });
  const unsubscribe = membership.onChange(() => ports.publishHealth());
  return {
    grpc: [],
    membership,
    start: () => ports.open(),
    async drain(deadlineMs) {
      ports.stopServing();
      await runner.drain(deadlineMs);
    },
    async close() {
      unsubscribe();
      await runner.close();
      await ports.close();
    },
  };
}

/** What cannot be opened, files or tokenizer, will not be better after a restart. */
async function openOffered({ path, name }: NamedModel, cacheDir: string, log: Logger): Promise<RouterModel> {
  try {
    const opened = await openModel(path, { name, cacheDir });
    for (const warning of opened.warnings) log.warn({ model: name }, warning);
    return toRouterModel(opened);
  } catch (cause) {
    if (!(cause instanceof ModelError || cause instanceof TokenizerError)) throw cause;
    throw new FatalStartError(`cannot open ${path}: ${cause.message}`);
  }
}

/** The two ports that clients use, and what is said of their health. */
class PublicPorts {
  readonly #context: RouterContext;
  readonly #router: Router;
  #http: HttpServer | undefined;
  #grpc: GrpcServer | undefined;

  constructor(context: RouterContext, router: Router) {
    this.#context = context;
    this.#router = router;
  }

  async open(): Promise<void> {
    const { config, log } = this.#context;
    this.#grpc = await startPublicGrpc(this.#router, config.grpcListen);
    const httpOptions = { listen: config.httpListen, bodyLimitBytes: config.maxBodyBytes };
    this.#http = await startHttpServer(this.#router, httpOptions, log);
    log.info({ http: `http://${config.httpListen}`, grpc: config.grpcListen }, 'public ports open');
    this.publishHealth();
  }

  /** Healthy means that requests sent now can be answered; of several models, those of one at least. */
  publishHealth(): void {
    const { ready, missing } = this.#router.readiness.look();
    this.#grpc?.health.set(ready ? HealthStatus.serving : HealthStatus.notServing);
    this.#context.setReady(ready, ready ? undefined : `missing ${missing.join(' and ')}`);
  }

  /** Draining: said before the last requests have ended. */
  stopServing(): void {
    this.#grpc?.health.set(HealthStatus.notServing);
  }

  async close(): Promise<void> {
    await Promise.all([this.#http?.close(), this.#grpc?.close()]);
  }
}

async function startPublicGrpc(router: Router, listen: string): Promise<GrpcServer> {
  // NOTE: plain text on purpose; the options of TLS and --insecure are for the links between services.
  const credentials = ServerCredentials.createInsecure();
  try {
    return await startGrpcServer([inferenceService(router)], listen, { credentials });
  } catch (cause) {
    if (!(cause instanceof FatalStartError)) throw cause;
    throw new FatalStartError(`${cause.message}; choose another address with --grpc-listen`);
  }
}
