// The life of a real service in a process of its own: configuration, SERVING, drain, signals, end of the parent.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { cluster, inference } from '@switchyard/proto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { callServerStream, callUnary, connect, disconnect } from '../src/index.js';
import { Life, LifeState } from '../src/service/life-state.js';
import { inferenceClient, temporaryFolder } from './harness.js';

const tinyService = fileURLToPath(new URL('fixtures/tiny-service.mjs', import.meta.url));
const startTimeoutMs = 20_000;

interface Started {
  child: ChildProcess;
  runDir: string;
  address: string;
  stdout: () => string;
  stderr: () => string;
  /** Exit code, or the signal that ended it. */
  ended: Promise<number | string>;
  /** Resolves when standard output holds the text. */
  says(text: string): Promise<void>;
}

function start(args: string[] = [], env: NodeJS.ProcessEnv = {}, runDir = `${temporaryFolder()}/run`): Started {
  const child = spawn(process.execPath, [tinyService, '--run-dir', runDir, ...args], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  child.stdout.on('data', (bytes) => (texts.stdout += bytes));
  child.stderr.on('data', (bytes) => (texts.stderr += bytes));
  const ended = once(child, 'close').then(([code, signal]) => code ?? signal);
  const address = `unix:${runDir}/tiny-0.sock`;
  onTestFinished(async () => {
    disconnect(address);
    child.kill('SIGKILL');
    await ended;
  });
  const says = async (text: string) => {
    const endMs = performance.now() + startTimeoutMs;
    while (!texts.stdout.includes(text)) {
      if (performance.now() > endMs || child.exitCode !== null) {
        throw new Error(`'${text}' was not said: ${texts.stdout}${texts.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return { child, runDir, address, stdout: () => texts.stdout, stderr: () => texts.stderr, ended, says };
}

describe('a service', { timeout: 40_000 }, () => {
  it('serves, describes itself, and leaves nothing behind after SIGTERM', async () => {
    const service = start();
    await service.says('"msg":"serving"');
    expect(statSync(service.runDir).mode & 0o777).toBe(0o700);
    expect(await callUnary(inferenceClient(service.address), 'listModels', {}, { timeoutMs: 5000 })).toEqual({
      models: [],
    });
    const describe = callUnary(
      connect(cluster.MemberServiceClient, service.address),
      'describe',
      {},
      { timeoutMs: 5000 },
    );
    expect((await describe).member).toMatchObject({ id: 'tiny-0', address: service.address });
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
    expect(service.stdout()).toMatch(/"reason":"SIGTERM","msg":"stopping"/);
    expect(existsSync(service.runDir)).toBe(false);
  });

  it('finishes running answers before it ends', async () => {
    const service = start(['--num-deltas', '40']);
    await service.says('"msg":"serving"');
    const request = inference.GenerateRequest.fromPartial({});
    let numDeltas = 0;
    for await (const _ of callServerStream(inferenceClient(service.address), 'generate', request, {
      timeoutMs: 20_000,
    })) {
      if (numDeltas++ === 2) service.child.kill('SIGTERM');
    }
    expect(numDeltas).toBe(40);
    expect(await service.ended).toBe(0);
  });

  it('cuts what still runs when the drain deadline passes', async () => {
    const service = start(['--num-deltas', '1000', '--drain-timeout-ms', '200']);
    await service.says('"msg":"serving"');
    const request = inference.GenerateRequest.fromPartial({});
    const read = async () => {
      for await (const _ of callServerStream(inferenceClient(service.address), 'generate', request, {
        timeoutMs: 60_000,
      })) {
        if (!service.child.killed) service.child.kill('SIGTERM');
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'MEMBER_UNAVAILABLE' });
    expect(await service.ended).toBe(0);
    expect(service.stdout()).toMatch(/draining did not end in time/);
  });

  it('stops with a message when its parent is gone', async () => {
    const service = start(['--exit-with-parent']);
    await service.says('"msg":"serving"');
    service.child.stdin?.end();
    expect(await service.ended).toBe(0);
    expect(service.stderr()).toBe('tiny-0: the parent process is gone, stopping\n');
    expect(existsSync(service.runDir)).toBe(false);
  });

  it('leaves Ctrl-C to the parent where there is one', async () => {
    const service = start(['--exit-with-parent']);
    await service.says('"msg":"serving"');
    service.child.kill('SIGINT');
    expect(await callUnary(inferenceClient(service.address), 'listModels', {}, { timeoutMs: 5000 })).toBeDefined();
    service.child.kill('SIGTERM');
    expect(await service.ended).toBe(0);
    expect(service.stdout()).toMatch(/"reason":"SIGTERM","msg":"stopping"/);
  });

  it('does not care about standard input otherwise', async () => {
    const service = start();
    service.child.stdin?.end();
    await service.says('"msg":"serving"');
    service.child.kill('SIGINT');
    expect(await service.ended).toBe(0);
  });

  it('lists what is wrong with its configuration, and opens nothing', async () => {
    const service = start(['--num-deltas', '0', '--nonsense'], { SWITCHYARD_NUM_DELTA: '3' });
    expect(await service.ended).toBe(78);
    expect(service.stderr()).toMatch(/^tiny: the configuration is wrong:\n( {2}- .*\n){3}See tiny --help\.\n$/);
    expect(service.stdout()).toBe('');
    expect(existsSync(service.runDir)).toBe(false);
  });

  it('prints its configuration', async () => {
    const service = start(['--print-config'], { SWITCHYARD_NUM_DELTAS: '9' });
    expect(await service.ended).toBe(0);
    expect(service.stdout()).toMatch(/^SWITCHYARD_NUM_DELTAS +9 +environment$/m);
  });

  it('says in one sentence that a port is taken or TLS is missing, with exit code 78', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await once(blocker, 'listening');
    onTestFinished(() => void blocker.close());
    const listen = `127.0.0.1:${(blocker.address() as { port: number }).port}`;
    const taken = start(['--listen', listen, '--insecure']);
    expect(await taken.ended).toBe(78);
    expect(taken.stderr()).toBe(`tiny-0: cannot listen on ${listen}: another program listens there already\n`);
    const bare = start(['--listen', listen]);
    expect(await bare.ended).toBe(78);
    expect(bare.stderr()).toMatch(/^tiny-0: --listen needs --tls-cert, --tls-key and --tls-ca, or --insecure\n$/);
  });

  it('refuses a run directory that others can write to', async () => {
    const folder = temporaryFolder();
    chmodSync(folder, 0o777);
    const service = start(['--id', 'tiny-1'], {}, folder);
    expect(await service.ended).toBe(78);
    expect(service.stderr()).toMatch(/is writable by others: its mode must be 0700/);
  });
});

describe('Life', () => {
  it('refuses steps that are no arrow of its picture', () => {
    const life = new Life();
    life.moveTo(LifeState.wiring);
    expect(() => life.moveTo(LifeState.serving)).toThrow('a service cannot go from wiring to serving');
    life.moveTo(LifeState.starting);
    life.moveTo(LifeState.serving);
    expect(() => life.moveTo(LifeState.closing)).toThrow();
    life.moveTo(LifeState.draining);
    expect(life.state).toBe(LifeState.draining);
  });
});
