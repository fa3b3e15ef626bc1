// The peer of point to point: ucx_perftest (UCX), both ends on this machine, shared memory only, one core each.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MissingProgram, runProgram } from '../../run-program.js';
import type { Figures, Meter, UcxSource } from './source.js';

const PROGRAM = 'ucx_perftest';
const DEBIAN_PACKAGE = 'ucx-utils';
const ENV = { UCX_TLS: 'sm,self' };
const CONNECT_TRIES = 30;
const CONNECT_PAUSE_MS = 100;
/** A client that meets its server in the middle of its start may end without a word: it gets time for that, and both are started anew. */
const SERVER_START_MS = 300;
const PAIR_TRIES = 5;

export class UcxMeter implements Meter<UcxSource> {
  private version = '';

  constructor(private readonly cores: readonly [server: number, client: number]) {}

  async measure(source: UcxSource): Promise<Figures> {
    this.version ||= parseUcxVersion(await runProgram('ucx_info', ['-v'], { debianPackage: DEBIAN_PACKAGE }));
    for (let tries = 1; ; tries++) {
      try {
        return await this.runPair(source);
      } catch (error) {
        if (tries === PAIR_TRIES || error instanceof MissingProgram) throw error;
      }
    }
  }

  private async runPair(source: UcxSource): Promise<Figures> {
    const port = await freePort();
    const server = spawn(PROGRAM, ['-c', `${this.cores[0]}`, '-p', `${port}`], {
      env: { ...process.env, ...ENV },
      stdio: 'ignore',
    });
    try {
      await sleep(SERVER_START_MS);
      return parseUcx(await this.runClient(source, port));
    } finally {
      await end(server);
    }
  }

  /** The server says nowhere that it listens, so the client is tried until it does. */
  private async runClient(source: UcxSource, port: number): Promise<string> {
    const { test, numBytes, numIterations } = source;
    const where = ['127.0.0.1', '-c', `${this.cores[1]}`, '-p', `${port}`];
    const what = ['-t', test, '-s', `${numBytes}`, '-n', `${numIterations}`, '-w', `${Math.ceil(numIterations / 10)}`];
    for (let tries = 1; ; tries++) {
      try {
        return await runProgram(PROGRAM, [...where, ...what, '-f', '-v'], { debianPackage: DEBIAN_PACKAGE, env: ENV });
      } catch (error) {
        if (tries === CONNECT_TRIES || !/connect/.test(String(error))) throw error;
        await sleep(CONNECT_PAUSE_MS);
      }
    }
  }

  nameOf(source: UcxSource): string {
    return `UCX ${this.version} ${source.test}`;
  }

  noteOf(): string {
    return `UCX: UCX_TLS=${ENV.UCX_TLS}, server on core ${this.cores[0]}, client on core ${this.cores[1]}`;
  }
}

/**
 * The CSV form of ucx_perftest (-f -v): a line of names, a line of figures. `value` is the median, as ours; `overall` their mean.
 * Both are of one way, us.
 */
export function parseUcx(text: string): Figures {
  const lines = text.split('\n').map((line) => line.trim().split(','));
  const headingIdx = lines.findIndex((cells) => cells.includes('overall_lat'));
  const cellOf = (name: string) =>
    Number(lines[headingIdx + 1]?.[lines[headingIdx]?.indexOf(name) ?? -1] ?? Number.NaN);
  const value = cellOf('50.0_percentile_lat');
  const overall = cellOf('overall_lat');
  if (!(value > 0 && overall > 0)) throw new Error(`ucx_perftest wrote no figures: ${text.trim()}`);
  return { value, others: { overall } };
}

/** "# Version 1.13.1" (UCX 1.13), "# Library version: 1.14.0" (later ones). */
export function parseUcxVersion(text: string): string {
  return text.match(/version:?\s+([\d.]+)/i)?.[1] ?? '(unknown version)';
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
