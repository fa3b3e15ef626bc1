// Starts a whole Switchyard as real processes, the way `npm start` does, and ends it without a trace. Used by the system tests
// and by tools/bench; knows the cluster-manager's options and its process tree, nothing of what runs inside.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sleep, waitFor } from './deadline.js';
import { freePort } from './free-port.js';
import { leftovers, shmObjects } from './leftovers.js';
import { argvOf, childrenOf, isRunning, treeOf } from './process-tree.js';

export type Topology = 'colocated' | 'pd' | 'full';
export const TOPOLOGIES: readonly Topology[] = ['colocated', 'pd', 'full'];

export interface SystemOptions {
  topology: Topology;
  /** More options of `npm start`: { 'kv-bytes': 500_000 } becomes --kv-bytes 500000, and a list an option for each entry. */
  flags?: Record<string, string | number | readonly string[]>;
  /** More environment, for every process. */
  env?: Record<string, string>;
  /** Start by `npm start`, as a user does, and not the cluster-manager's program alone. */
  byNpm?: boolean;
}

const MANAGER_PROGRAM = 'apps/cluster-manager/dist/bundle.js';
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

/** Starts a system on free ports and waits until it serves. Throws, with its log, when it does not within 30 s. */
export async function startSystem(repoRoot: string, options: SystemOptions): Promise<System> {
  const system = new System(repoRoot, options, await freePort(), await freePort());
  try {
    await system.ready(READY_TIMEOUT_MS);
  } catch (error) {
    const log = system.log();
    await system.stop().catch(() => undefined); // the first error says more than what stopping a broken system finds
    throw new Error(`${String(error)}; its log:\n${log}`);
  }
  return system;
}

/** One running system. */
export class System {
  readonly topology: Topology;
  readonly httpPort: number;
  readonly grpcPort: number;
  /** Base URL of the HTTP API. */
  readonly http: string;
  /** Address of the public gRPC API. */
  readonly grpc: string;
  readonly #root: ChildProcess;
  readonly #byNpm: boolean;
  readonly #tmpDir: string;
  /** Outside #tmpDir: what lies in it is not left behind. */
  readonly #cacheDir: string;
  readonly #shmBefore = shmObjects();
  readonly #pidsSeen = new Set<number>();
  readonly #logLines: string[] = [];

  constructor(repoRoot: string, options: SystemOptions, httpPort: number, grpcPort: number) {
    this.topology = options.topology;
    this.httpPort = httpPort;
    this.grpcPort = grpcPort;
    this.http = `http://127.0.0.1:${httpPort}`;
    this.grpc = `127.0.0.1:${grpcPort}`;
    this.#tmpDir = mkdtempSync(join(tmpdir(), 'sy-'));
    this.#cacheDir = mkdtempSync(join(tmpdir(), 'sy-cache-'));
    const flags = { topology: options.topology, 'http-port': httpPort, 'grpc-port': grpcPort, ...options.flags };
    const argv = Object.entries(flags).flatMap(([name, value]) => {
      return [value].flat().flatMap((text) => [`--${name}`, String(text)]);
    });
    this.#byNpm = options.byNpm ?? false;
    const command = this.#byNpm ? ['npm', 'start', '--'] : [process.execPath, join(repoRoot, MANAGER_PROGRAM)];
    const [program = '', ...args] = [...command, ...argv];
    this.#root = spawn(program, args, {
      cwd: repoRoot,
      env: { ...process.env, TMPDIR: this.#tmpDir, SWITCHYARD_CACHE_DIR: this.#cacheDir, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#keepLog();
  }

  #keepLog(): void {
    for (const stream of [this.#root.stdout, this.#root.stderr]) {
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => this.#logLines.push(text));
    }
  }

  /** All that the manager and, through it, its members have written so far. */
  log(): string {
    return this.#logLines.join('');
  }

  /** Process id of the cluster-manager; throws while there is none. */
  get managerPid(): number {
    const root = this.#root.pid;
    const pid = this.#byNpm && root !== undefined ? treeOf(root).find(isManager) : root;
    if (pid === undefined) throw new Error('the cluster-manager does not run');
    return pid;
  }

  /** Process id of each member that runs now, by member id ("decode-0"). */
  members(): Map<string, number> {
    const members = new Map<string, number>();
    for (const child of childrenOf(this.managerPid)) {
      const id = flagOf(child.argv, '--id');
      if (id !== undefined && isRunning(child.pid)) members.set(id, child.pid);
      this.#pidsSeen.add(child.pid);
    }
    return members;
  }

  /** The process tree, what was started first. */
  pids(): number[] {
    const pids = this.#root.pid === undefined ? [] : treeOf(this.#root.pid);
    for (const pid of pids) this.#pidsSeen.add(pid);
    return pids;
  }

  /** Folder of the members' sockets: "<runDir>/<id>.sock". */
  get runDir(): string {
    const name = readdirSync(this.#tmpDir).find((entry) => entry.startsWith('switchyard-'));
    if (name === undefined) throw new Error(`no run folder in ${this.#tmpDir}`);
    return join(this.#tmpDir, name);
  }

  /** gRPC address of a member inside the system. */
  addressOf(memberId: string): string {
    return `unix:${join(this.runDir, `${memberId}.sock`)}`;
  }

  /** Sends a signal to a member and answers its process id. */
  kill(memberId: string, signal: NodeJS.Signals = 'SIGKILL'): number {
    const pid = this.members().get(memberId);
    if (pid === undefined) throw new Error(`no member ${memberId}; there are ${[...this.members().keys()].join(', ')}`);
    process.kill(pid, signal);
    return pid;
  }

  /** Waits until the system can serve requests. */
  async ready(timeoutMs: number): Promise<void> {
    await waitFor(`${this.topology} system to be ready`, timeoutMs, async () => {
      if (this.#root.exitCode !== null) throw new Error(`the system ended with code ${this.#root.exitCode}`);
      return (await this.#isHealthy()) ? true : undefined;
    });
    this.pids();
  }

  async #isHealthy(): Promise<boolean> {
    try {
      return (await fetch(`${this.http}/healthz`, { signal: AbortSignal.timeout(1_000) })).ok;
    } catch {
      return false; // not listening yet
    }
  }

  /** Ends the system as Ctrl-C would and throws when it takes too long or leaves anything behind. */
  async stop(): Promise<void> {
    this.pids();
    if (this.#root.exitCode === null) process.kill(this.managerPid, 'SIGTERM');
    await this.expectGone(STOP_TIMEOUT_MS);
  }

  /** Waits until nothing of the system is left; what still is there after `timeoutMs` is removed and thrown as an error. */
  async expectGone(timeoutMs: number): Promise<void> {
    const traces = { pids: this.#pidsSeen, tmpDir: this.#tmpDir, shmBefore: this.#shmBefore };
    const end = performance.now() + timeoutMs;
    let left = leftovers(traces);
    while (left.length > 0 && performance.now() < end) {
      await sleep(20);
      left = leftovers(traces);
    }
    this.destroy();
    if (left.length > 0) throw new Error(`left behind after ${timeoutMs} ms:\n${left.join('\n')}\nlog:\n${this.log()}`);
  }

  /** Kills and removes whatever is left, silently: for the end of a test that has failed. */
  destroy(): void {
    for (const pid of this.#pidsSeen) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
    for (const dir of [this.#tmpDir, this.#cacheDir]) rmSync(dir, { recursive: true, force: true });
  }
}

function isManager(pid: number): boolean {
  const [, program] = argvOf(pid);
  return program?.endsWith(MANAGER_PROGRAM) ?? false;
}

/** Value of a flag on a command line: "--id x" or "--id=x". */
function flagOf(argv: readonly string[], flag: string): string | undefined {
  const idx = argv.indexOf(flag);
  if (idx >= 0) return argv[idx + 1];
  return argv.find((arg) => arg.startsWith(`${flag}=`))?.slice(flag.length + 1);
}
