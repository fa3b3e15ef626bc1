// How a child of the local provider is configured: what is its own by flags, what several services share by
// variables, which each service reads as far as it knows them. Pure.
import { envName, FatalStartError, type OptionTable, valueText } from '@switchyard/kit';
import { type ManagerConfig, sharedOptions } from '../../config.js';
import { type ProcessSpec, threadsOf } from './topology.js';

// Variables that would make all children the same or send them elsewhere: what they say was meant for the manager.
const ownOptions = [
  'id',
  'model',
  'name',
  'listen',
  'manager',
  'peer',
  'runDir',
  'epoch',
  'xcclRank',
  'xcclNonce',
  'exitWithParent',
];
const managerOptions = ['provider', 'topology', 'httpPort', 'grpcPort', 'heartbeatIntervalMs', 'appsDir'];

export function childArgs(spec: ProcessSpec, config: ManagerConfig, managerAddress: string): string[] {
  return [
    ...['--id', spec.id],
    ...['--manager', managerAddress],
    ...['--run-dir', config.runDir],
    ...['--log-level', config.logLevel],
    ...['--log-format', 'json'],
    ...['--drain-timeout-ms', String(childDrainMs(config))],
    '--exit-with-parent',
    ...spec.args,
  ];
}

/** Half of what the whole stop may take, so that two stages fit into it. */
export function childDrainMs(config: Pick<ManagerConfig, 'drainTimeoutMs'>): number {
  return Math.floor(config.drainTimeoutMs / 2);
}

export function childEnv(config: ManagerConfig, env: NodeJS.ProcessEnv, numCores: number): NodeJS.ProcessEnv {
  const dropped = new Set([...ownOptions, ...managerOptions].map(envName));
  const inherited = Object.entries(env).filter(([variable]) => !dropped.has(variable));
  const threads = threadsOf(config, numCores, Boolean(env.SWITCHYARD_XCCL_PIN));
  return { ...Object.fromEntries(inherited), ...sharedVariables({ ...config, threads }) };
}

/** Each model's ranks would plan with the same list of cores and end up on the same ones. */
export function refusePinning(numModels: number, env: NodeJS.ProcessEnv): void {
  if (numModels === 1 || !env.SWITCHYARD_XCCL_PIN) return;
  throw new FatalStartError('SWITCHYARD_XCCL_PIN places the ranks of one model; several cannot be pinned yet');
}

function sharedVariables(config: ManagerConfig): NodeJS.ProcessEnv {
  const shared: OptionTable = sharedOptions;
  const values = Object.keys(shared).map((name) => [envName(name), valueText(config[name as keyof ManagerConfig])]);
  return Object.fromEntries(values.filter(([, text]) => text !== ''));
}
