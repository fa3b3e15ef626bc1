// This app as a process of its own, alone: no cluster-manager, a run folder that it takes away when it ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const model = fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url));

export class AppProcess {
  readonly address: string;
  readonly runDir = mkdtempSync(join(tmpdir(), 'sy-'));
  readonly #child: ChildProcess;
  #log = '';

  constructor(id: string, args: string[] = []) {
    const common = ['--id', id, '--model', model, '--run-dir', this.runDir, '--log-format', 'json'];
    this.#child = spawn(process.execPath, [main, ...common, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#append(line));
    }
    this.address = `unix:${this.runDir}/${id}.sock`;
  }

  /** Everything it has logged. */
  get log(): string {
    return this.#log;
  }

  /** Ends it as a supervisor does: its exit code, and what it left in its run folder. */
  async stop(): Promise<{ exitCode: number | null; left: string[] }> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'close');
    }
    const left = existsSync(this.runDir) ? readdirSync(this.runDir) : [];
    rmSync(this.runDir, { recursive: true, force: true });
    return { exitCode: this.#child.exitCode, left };
  }

  #append(line: string): void {
    this.#log += `${line}\n`;
  }
}
