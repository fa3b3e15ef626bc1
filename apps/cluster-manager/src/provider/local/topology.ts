// Which processes make up a system: for each model a group of them, as the topology says, and one router before all. Pure.
import { type NamedModel, namedModels } from '@switchyard/model-files';
import { maxRanks } from '@switchyard/registry';
import type { ManagerConfig } from '../../config.js';

export interface ProcessSpec {
  /** Id of the member. */
  id: string;
  /** Folder under apps/. */
  app: string;
  /** Name of the model whose group it is in; null for the router. */
  model: string | null;
  args: string[];
  /** Lower ones are stopped first: nobody loses a service that it still needs. */
  stopStage: number;
}

export type TopologyConfig = Pick<
  ManagerConfig,
  'topology' | 'model' | 'name' | 'httpPort' | 'grpcPort' | 'attentionRanks' | 'expertRanks'
>;

/** The processes in the order they are started: those that take longest first. */
export function processesOf(config: TopologyConfig): ProcessSpec[] {
  const models = namedModels(config.model, config.name);
  const groups = models.flatMap((model, modelIdx) => groupOf(config, model, modelIdx));
  return [...groups, { id: 'router-0', app: 'router', model: null, args: routerArgs(config, models), stopStage: 0 }];
}

/**
 * Threads of each process that computes: as many as share all cores but one without waiting for each other, and at least one; router and
 * JavaScript have the core that is left. Ranks that are bound to cores (`isPinned`) have one unless told otherwise
 * (docs/decisions/0019-threads.md).
 */
export function threadsOf(
  config: TopologyConfig & Pick<ManagerConfig, 'threads'>,
  numCores: number,
  isPinned: boolean,
) {
  if (config.threads !== undefined) return config.threads;
  if (isPinned) return 1;
  const idle = config.topology === 'full' ? ['router', 'decode'] : ['router'];
  const numComputing = processesOf(config).filter(({ app }) => !idle.includes(app)).length;
  return Math.max(1, Math.floor((numCores - 1) / numComputing));
}

/** What a system cannot have, a sentence each. */
export function topologyProblems(config: TopologyConfig): string[] {
  const numProcesses = processesOf(config).length;
  // Every member is given a rank, though in a colocated system none is used.
  if (config.topology === 'colocated' || numProcesses <= maxRanks) return [];
  return [
    `${numProcesses} processes are too many for one system in topology ${config.topology}: it has at most ${maxRanks}`,
  ];
}

/**
 * Ids are a kind and a number, and numbers go on from one model to the next (docs/decisions/0015-several-models.md):
 * with two attention ranks each, the second model's are attention-2 and attention-3.
 */
function groupOf(config: TopologyConfig, { path, name }: NamedModel, modelIdx: number): ProcessSpec[] {
  const process = (app: string, number: number, stopStage: number, args: string[] = []): ProcessSpec => {
    return { id: `${app}-${number}`, app, model: name, args: ['--model', path, '--name', name, ...args], stopStage };
  };
  const decode = process('decode', modelIdx, 1, ['--mode', config.topology]);
  if (config.topology === 'colocated') return [decode];
  const prefill = process('prefill', modelIdx, 1);
  if (config.topology === 'pd') return [prefill, decode];
  const ranks = (app: string, numRanks: number) => {
    const numbers = Array.from({ length: numRanks }, (_, rankIdx) => modelIdx * numRanks + rankIdx);
    return numbers.map((number) => process(app, number, 2, ['--te', decode.id]));
  };
  return [prefill, ...ranks('attention', config.attentionRanks), ...ranks('expert', config.expertRanks), decode];
}

function routerArgs({ httpPort, grpcPort }: TopologyConfig, models: readonly NamedModel[]): string[] {
  return [
    ...models.flatMap(({ path }) => ['--model', path]),
    ...models.flatMap(({ name }) => ['--name', name]),
    ...['--http-listen', `127.0.0.1:${httpPort}`],
    ...['--grpc-listen', `127.0.0.1:${grpcPort}`],
  ];
}
