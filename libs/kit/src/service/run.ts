import type { OptionTable } from '../config/option.js';
import type { ServiceDefinition } from './types.js';

export declare function runService<O extends OptionTable>(definition: ServiceDefinition<O>): Promise<void>;

/** Thrown by wiring or start to end the process with one sentence on standard error and an exit code of its own. */
export declare class FatalStartError extends Error {
  constructor(message: string, exitCode?: number);
}
