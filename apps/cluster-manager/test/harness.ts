// The cluster-manager as a process of its own, with small real services in place of the apps.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import type { ManagerConfig } from '../src/config.js';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const managerMain = here('../dist/main.js');
const memberFixture = here('fixtures/member.mjs');
const timeoutMs = 30_000;

export function configWith(overrides: Partial<ManagerConfig>): ManagerConfig {
  const config: Partial<ManagerConfig> = {
    topology: 'full',
    model: ['/m/tiny'],
    name: [],
    httpPort: 8080,
    grpcPort: 8081,
    attentionRanks: 2,
    expertRanks: 2,
    runDir: '/r',
    logLevel: 'info',
    drainTimeoutMs: 10_000,
    ...overrides,
  };
  return config as ManagerConfig;
}

/** A folder in which every app is the fixture. */
function makeApps(): string {
  const folder = mkdtempSync(join(tmpdir(), 'apps-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  for (const app of ['router', 'prefill', 'decode', 'attention', 'expert']) {
    mkdirSync(join(folder, app, 'dist'), { recursive: true });
    const main = `process.argv.splice(2, 0, '${app}');\nawait import(${JSON.stringify(memberFixture)});\n`;
    writeFileSync(join(folder, app, 'dist', 'main.js'), main);
  }
  return folder;
}

export interface RunningManager {
  process: ChildProcess;
  /** The log lines so far that are JSON. */
  records(): Record<string, unknown>[];
  output(): string;
  stderr(): string;
  /** Ids and pids of the children that run. */
  children(): Map<string, number>;
  runDir(): string;
  until(what: string, condition: () => boolean): Promise<void>;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>;
}

export function startManager(args: string[], env: NodeJS.ProcessEnv = {}): RunningManager {
  const child = spawn(process.execPath, [managerMain, '--apps-dir', makeApps(), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (bytes) => (texts.stdout += bytes));
  child.stderr.on('data', (bytes) => (texts.stderr += bytes));
  const ended = once(child, 'exit').then(([code, signal]) => code ?? signal);
  const records = () =>
    texts.stdout
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const runDir = () => /unix:(\S+)\/cluster-manager-0\.sock/.exec(texts.stdout)?.[1] ?? '';
  onTestFinished(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  });
  return {
    process: child,
    records,
    output: () => texts.stdout,
    stderr: () => texts.stderr,
    children: () => childrenOf(child.pid ?? 0),
    runDir,
    ended,
    until: (what, condition) => until(what, condition, () => `${texts.stdout}${texts.stderr}`),
  };
}

async function until(what: string, condition: () => boolean, output: () => string): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}\n${output()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** By /proc: the processes whose parent is `pid`. */
function childrenOf(pid: number): Map<string, number> {
  const found = new Map<string, number>();
  for (const entry of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const stat = read(`/proc/${entry}/stat`);
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const args = read(`/proc/${entry}/cmdline`).split('\0');
    if (Number(parent) === pid && state !== 'Z') found.set(args[args.indexOf('--id') + 1] ?? '', Number(entry));
  }
  return found;
}

/** '' for a process that has just gone. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

export const isAlive = (pid: number) => existsSync(`/proc/${pid}`);
