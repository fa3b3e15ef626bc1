// One app as a process of its own: no cluster-manager, a run folder that it takes away when it ends, or one that it shares with
// others. For the apps' own tests, and for systems started by hand; what `npm start` starts is startSystem's.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export class AppProcess {
  readonly address: string;
  readonly runDir: string;
  readonly #ownsRunDir: boolean;
  readonly #cacheDir = mkdtempSync(join(tmpdir(), 'sy-cache-'));
  readonly #child: ChildProcess;
  #log = '';

  /** `id` is the app's name and a number, for example "decode-0"; `runDir` is the caller's folder, by default one of its own. */
  constructor(id: string, args: string[] = [], runDir?: string) {
    this.#ownsRunDir = runDir === undefined;
    this.runDir = runDir ?? mkdtempSync(join(tmpdir(), 'sy-'));
    const main = join(root, 'apps', id.replace(/-\d+$/, ''), 'dist/main.js');
    const model = join(root, 'models/switchyard-tiny');
    const common = ['--id', id, '--model', model, '--run-dir', this.runDir, '--log-format', 'json'];
    const env = { ...process.env, SWITCHYARD_CACHE_DIR: this.#cacheDir };
    this.#child = spawn(process.execPath, [main, ...common, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#append(line));
    }
    this.address = `unix:${this.runDir}/${id}.sock`;
  }

  /** Everything it has logged. */
  get log(): string {
    return this.#log;
  }

  /** Ends it as a supervisor does: its exit code, and what it left in a run folder of its own. */
  async stop(): Promise<{ exitCode: number | null; left: string[] }> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await once(this.#child, 'close');
    }
    rmSync(this.#cacheDir, { recursive: true, force: true });
    if (!this.#ownsRunDir) return { exitCode: this.#child.exitCode, left: [] };
    const left = existsSync(this.runDir) ? readdirSync(this.runDir) : [];
    rmSync(this.runDir, { recursive: true, force: true });
    return { exitCode: this.#child.exitCode, left };
  }

  #append(line: string): void {
    this.#log += `${line}\n`;
  }
}
