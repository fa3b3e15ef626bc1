// Runs a whole system as child processes of the cluster-manager: starts them, restarts what dies, tells the directory
// of a death at once, stops all in order. What runs with which arguments is decided by topology.ts.
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { exitCodeFatal, FatalStartError, prettyLine, Terminal } from '@switchyard/kit';
import type { Provider, ProviderDeps } from '../provider.js';
import { announcement, missingOf } from './announcement.js';
import { Child, type Death } from './child.js';
import { childArgs, childEnv, refusePinning } from './child-config.js';
import { barText } from './load-bar.js';
import { type ProcessSpec, processesOf } from './topology.js';

// A bundle starts bundles and a plain build plain ones: whoever has just run tsc does not get yesterday's bundles.
const mainFile = import.meta.url.endsWith('/bundle.js') ? 'bundle.js' : 'main.js';
const servingTimeoutMs = 30_000;
// The last part of the stop's deadline is for what remains to be killed.
const killMarginMs = 500;

export class LocalProvider implements Provider {
  readonly #deps: ProviderDeps;
  readonly #specs: ProcessSpec[];
  readonly #children = new Map<ProcessSpec, Child>();
  readonly #terminal = new Terminal(process.stdout);
  /** All of it has served once, so the configuration was right. */
  #hasServed = false;
  #stopped: Promise<void> | undefined;

  constructor(deps: ProviderDeps) {
    this.#deps = deps;
    const { config } = deps.context;
    refusePinning(config.model.length, process.env);
    this.#specs = processesOf(config);
  }

  async start(): Promise<void> {
    for (const spec of this.#specs) {
      const child = this.#childOf(spec);
      this.#children.set(spec, child);
      child.start();
    }
    const { view } = this.#deps.directory;
    const unsubscribe = view.onChange((members) => this.#terminal.showBar(barText(members)));
    this.#deps.context.signal.addEventListener('abort', unsubscribe);
    void this.#announce();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopStages();
    return this.#stopped;
  }

  #childOf(spec: ProcessSpec): Child {
    const { context } = this.#deps;
    const { config } = context;
    return new Child({
      command: process.execPath,
      args: [join(config.appsDir, spec.app, 'dist', mainFile), ...childArgs(spec, config, context.address)],
      env: childEnv(config, process.env, availableParallelism()),
      onLine: (line) => this.#showLine(spec.id, line),
      onDeath: (death) => this.#onDeath(spec, death),
    });
  }

  #onDeath(spec: ProcessSpec, death: Death): boolean {
    const { context, directory } = this.#deps;
    directory.remove(spec.id);
    if (this.#stopped) return false;
    const { how, restartInMs } = death;
    // Later on, a model whose files have gone must not take the other models with it.
    if (death.exitCode === exitCodeFatal && !this.#hasServed) {
      const message = `${spec.id} cannot run as it is configured (its message is above), so nothing is started`;
      context.fail(new FatalStartError(message, 1));
      return false;
    }
    context.log.warn({ restartInMs }, `${spec.id} died (${how}) and is started again`);
    return true;
  }

  async #stopStages(): Promise<void> {
    const deadlineAtMs = performance.now() + this.#deps.context.config.drainTimeoutMs - killMarginMs;
    const stages = [...new Set(this.#specs.map(({ stopStage }) => stopStage))].sort((a, b) => a - b);
    for (const stage of stages) {
      const children = [...this.#children].filter(([spec]) => spec.stopStage === stage);
      const leftMs = Math.max(0, deadlineAtMs - performance.now());
      await Promise.all(children.map(([, child]) => child.stop(leftMs)));
    }
  }

  /** Waits until everything serves and says so; says what is missing whenever that takes long. */
  async #announce(): Promise<void> {
    const { context, directory } = this.#deps;
    const { config, log, signal } = context;
    while (!signal.aborted) {
      try {
        const allServe = () => (missingOf(this.#specs, directory.view.members()).length === 0 ? true : undefined);
        await directory.view.waitFor(allServe, servingTimeoutMs, signal);
        this.#hasServed = true;
        this.#terminal.write(announcement(config, this.#specs));
        return;
      } catch {
        if (signal.aborted) return;
        const missing = missingOf(this.#specs, directory.view.members());
        log.warn({ missing }, `not everything serves after ${servingTimeoutMs / 1000} s`);
      }
    }
  }

  #showLine(id: string, line: string): void {
    const { logFormat } = this.#deps.context.config;
    const pretty = logFormat === 'pretty' || (logFormat === 'auto' && this.#terminal.isTty);
    this.#terminal.write(`${pretty ? prettyLine(line, id) : line}\n`);
  }
}
