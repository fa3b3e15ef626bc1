// Finds what a system left behind: processes, files under its temporary folder (run folder, sockets), shared memory objects.
// Called by cluster.ts after a stop and by tests after a kill; looks only, removes nothing.
import { type Dirent, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { argvOf, isRunning } from './process-tree.js';

const SHM_DIR = '/dev/shm';

export interface Traces {
  /** Every process seen to belong to the system. */
  pids: Iterable<number>;
  /** Folder that was the system's TMPDIR. */
  tmpDir: string;
  /** Names in /dev/shm before it started. */
  shmBefore: ReadonlySet<string>;
}

export function shmObjects(): Set<string> {
  return new Set(readdirSync(SHM_DIR));
}

/** One line for each thing that is still there; empty when the system left nothing. */
export function leftovers(traces: Traces): string[] {
  const found: string[] = [];
  for (const pid of traces.pids) {
    if (isRunning(pid)) found.push(`process ${pid}: ${argvOf(pid).join(' ')}`);
  }
  for (const path of filesUnder(traces.tmpDir)) found.push(`file ${path}`);
  for (const name of shmObjects()) {
    // Others on the machine may use /dev/shm: only what bears the project's name is ours.
    if (!traces.shmBefore.has(name) && name.includes('switchyard')) found.push(`shared memory ${SHM_DIR}/${name}`);
  }
  return found;
}

/** What vanishes while this looks is not left behind. */
function filesUnder(folder: string): string[] {
  const paths: string[] = [];
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    paths.push(path);
    if (entry.isDirectory()) paths.push(...filesUnder(path));
  }
  return paths;
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
