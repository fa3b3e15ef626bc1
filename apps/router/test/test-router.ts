// A whole router on free loopback ports, in front of scripted TEs: everything but the process and the membership is real.
import { fileURLToPath } from 'node:url';
import { ChannelCredentials, ServerCredentials } from '@grpc/grpc-js';
import { metrics, trace } from '@opentelemetry/api';
import { connect, createLogger, startGrpcServer } from '@switchyard/kit';
import { type OpenedModel, openModel } from '@switchyard/model-files';
import { type cluster, inference } from '@switchyard/proto';
import OpenAI from 'openai';
import { startHttpServer } from '../src/http/server.js';
import { JobRunner } from '../src/jobs/job-runner.js';
import { ModelCatalog } from '../src/jobs/model-catalog.js';
import { TaskClients } from '../src/jobs/task-clients.js';
import type { MembershipView } from '../src/jobs/te-directory.js';
import { RouterMetrics } from '../src/metrics.js';
import { toRouterModel } from '../src/model.js';
import { Readiness } from '../src/readiness.js';
import { inferenceService } from '../src/service.js';
import { TeWorld } from './scripted-te.js';

const log = createLogger({ member: 'router-test', level: 'silent', format: 'json' });
const modelDir = fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url));

/** The shipped model, under its own name or another: the files and so the digest are the same. */
export function openTinyModel(name?: string): Promise<OpenedModel> {
  return openModel(modelDir, name === undefined ? {} : { name });
}

/** The members that a test says there are. */
export class ListedMembers implements MembershipView {
  #members: cluster.Member[] = [];
  readonly #callbacks = new Set<(members: cluster.Member[]) => void>();

  members(): cluster.Member[] {
    return this.#members;
  }

  onChange(callback: (members: cluster.Member[]) => void): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  set(members: cluster.Member[]): void {
    this.#members = members;
    for (const callback of [...this.#callbacks]) callback(members);
  }
}

export interface TestRouterOptions {
  maxJobs?: number;
  requestTimeoutMs?: number;
  bodyLimitBytes?: number;
  /** Models beside the first. */
  others?: OpenedModel[];
}

export type TestRouter = Awaited<ReturnType<typeof startTestRouter>>;

export async function startTestRouter(model: OpenedModel, options: TestRouterOptions = {}) {
  const world = new TeWorld(model);
  const membership = new ListedMembers();
  const catalog = new ModelCatalog(membership, [model, ...(options.others ?? [])].map(toRouterModel));
  const tools = { tracer: trace.getTracer('test'), metrics: new RouterMetrics(metrics.getMeter('test')), log };
  const clients = new TaskClients();
  const runner = new JobRunner({ ...tools, catalog, clients, maxJobs: options.maxJobs ?? 64 });
  const readiness = new Readiness(catalog, runner);
  const router = { catalog, runner, readiness, tools, requestTimeoutMs: options.requestTimeoutMs ?? 20_000 };
  const credentials = ServerCredentials.createInsecure();
  const grpc = await startGrpcServer([inferenceService(router)], '127.0.0.1:0', { credentials });
  const bodyLimitBytes = options.bodyLimitBytes ?? 4 * 2 ** 20;
  const http = await startHttpServer(router, { listen: '127.0.0.1:0', bodyLimitBytes }, log);
  const grpcClient = connect(inference.InferenceServiceClient, `127.0.0.1:${grpc.port}`, {
    credentials: ChannelCredentials.createInsecure(),
  });
  const url = `http://127.0.0.1:${http.port}`;
  return {
    world,
    membership,
    runner,
    grpcClient,
    url,
    openai: new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 }),
    /** Makes the members those of the world's TEs as they are now. */
    publish: () => membership.set(world.tes.map((te) => te.member)),
    async close() {
      await runner.close();
      grpcClient.close();
      await Promise.all([http.close(), grpc.close()]);
      await world.close();
    },
  };
}
