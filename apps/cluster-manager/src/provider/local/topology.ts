// Which processes make up a topology, and with which arguments. Pure.
import type { ManagerConfig } from '../../config.js';

export interface ProcessSpec {
  /** Id of the member. */
  id: string;
  /** Folder under apps/. */
  app: string;
  args: string[];
  /** Lower ones are stopped first: nobody loses a service that it still needs. */
  stopStage: number;
}

type TopologyConfig = Pick<ManagerConfig, 'topology' | 'httpPort' | 'grpcPort' | 'attentionRanks' | 'expertRanks'>;

const decodeId = 'decode-0';

/** The processes in the order they are started: those that take longest first. */
export function processesOf(config: TopologyConfig): ProcessSpec[] {
  const decode = { id: decodeId, app: 'decode', args: ['--mode', config.topology], stopStage: 1 };
  const prefill = { id: 'prefill-0', app: 'prefill', args: [], stopStage: 1 };
  const router = { id: 'router-0', app: 'router', args: routerArgs(config), stopStage: 0 };
  if (config.topology === 'colocated') return [decode, router];
  if (config.topology === 'pd') return [prefill, decode, router];
  const attention = ranks('attention', config.attentionRanks, ['--te', decodeId]);
  const expert = ranks('expert', config.expertRanks, ['--te', decodeId]);
  return [prefill, ...attention, ...expert, decode, router];
}

function ranks(app: string, numRanks: number, args: string[]): ProcessSpec[] {
  return Array.from({ length: numRanks }, (_, rankIdx) => ({ id: `${app}-${rankIdx}`, app, args, stopStage: 2 }));
}

function routerArgs({ httpPort, grpcPort }: TopologyConfig): string[] {
  return ['--http-listen', `127.0.0.1:${httpPort}`, '--grpc-listen', `127.0.0.1:${grpcPort}`];
}
