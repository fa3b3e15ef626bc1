// A provider runs the services of a system somewhere. `local` makes them child processes; with `none` somebody else
// starts them and the cluster-manager keeps the membership only.
import type { ServiceContext } from '@switchyard/kit';
import type { Directory } from '@switchyard/registry';
import type { ManagerConfig } from '../config.js';

export const providerNames = ['local', 'none'] as const;
export type ProviderName = (typeof providerNames)[number];

export interface ProviderDeps {
  context: ServiceContext<ManagerConfig>;
  directory: Directory;
}

export interface Provider {
  /** Returns when everything is started, not when it serves. */
  start(): Promise<void>;
  /** Stops everything it started and waits for it, within deadlines. May be called twice. */
  stop(): Promise<void>;
}
