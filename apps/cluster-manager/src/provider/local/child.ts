// One supervised process: started, started again with back-off when it dies, stopped with a deadline. Its standard
// input is a pipe that is never written: when this process goes, the child reads the end of it and stops.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Backoff } from './backoff.js';

export interface ChildOptions {
  command: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
  /** A line of its standard output. */
  onLine: (line: string) => void;
  /** It ended without being asked to. Returns whether to start it again. */
  onDeath: (death: Death) => boolean;
}

export interface Death {
  /** `exit code 1` or `SIGKILL`. */
  how: string;
  exitCode: number | null;
  restartInMs: number;
}

export class Child {
  readonly #options: ChildOptions;
  readonly #backoff = new Backoff();
  #process: ChildProcess | undefined;
  #ended: Promise<void> = Promise.resolve();
  #restartTimer: NodeJS.Timeout | undefined;
  #isStopping = false;

  constructor(options: ChildOptions) {
    this.#options = options;
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  start(): void {
    const { command, args, env, onLine } = this.#options;
    const startedAtMs = performance.now();
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    this.#process = child;
    child.stdin.on('error', () => {}); // a child that has just died; 'exit' tells
    createInterface({ input: child.stdout }).on('line', onLine);
    this.#ended = new Promise((resolve) => {
      const onEnd = (exitCode: number | null, how: string) => {
        this.#process = undefined;
        if (!this.#isStopping) this.#onDeath(exitCode, how, performance.now() - startedAtMs);
        resolve();
      };
      child.once('exit', (exitCode, signal) => onEnd(exitCode, signal ?? `exit code ${exitCode}`));
      child.once('error', (error) => onEnd(null, error.message));
    });
  }

  /** SIGTERM, then SIGKILL when the deadline passes; resolves when the process is gone. */
  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true;
    clearTimeout(this.#restartTimer);
    this.#process?.kill('SIGTERM');
    const killTimer = setTimeout(() => this.#process?.kill('SIGKILL'), timeoutMs);
    await this.#ended;
    clearTimeout(killTimer);
  }

  #onDeath(exitCode: number | null, how: string, ranMs: number): void {
    const restartInMs = this.#backoff.delayMs(ranMs);
    if (!this.#options.onDeath({ how, exitCode, restartInMs })) return;
    this.#restartTimer = setTimeout(() => this.start(), restartInMs);
  }
}
