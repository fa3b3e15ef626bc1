// One running system for the tests of a describe block: started before them, stopped after them, its log printed when one of
// them fails. Stopping checks that no process, socket, run folder or shared memory object is left.
import { fileURLToPath } from 'node:url';
import { readGolden, type System, type SystemOptions, startSystem } from '@switchyard/testkit';
import { afterAll, afterEach, beforeAll } from 'vitest';

export const REPO_ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const MODEL = 'switchyard-tiny';
export const GOLDEN = readGolden(REPO_ROOT);

const START_TIMEOUT_MS = 45_000;
const STOP_TIMEOUT_MS = 20_000;
const LOG_TAIL_CHARS = 20_000;

export interface SystemRef {
  /** The running system; throws outside of tests. */
  readonly system: System;
}

/** Call inside describe (or at the top of a file). */
export function useSystem(options: SystemOptions): SystemRef {
  let system: System | undefined;
  beforeAll(async () => {
    system = await startSystem(REPO_ROOT, options);
  }, START_TIMEOUT_MS);
  afterEach((context) => {
    if (context.task.result?.state === 'fail' && system !== undefined) printLog(context.task.name, system);
  });
  afterAll(async () => {
    await system?.stop();
  }, STOP_TIMEOUT_MS);
  return {
    get system(): System {
      if (system === undefined) throw new Error('the system is not running here');
      return system;
    },
  };
}

export function printLog(title: string, system: System): void {
  console.error(
    `---- log of the ${system.topology} system at the failure of "${title}"\n${system.log().slice(-LOG_TAIL_CHARS)}`,
  );
}
