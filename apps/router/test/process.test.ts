// The router as a process: it starts alone with static peers, says what is wrong in one sentence, and leaves nothing.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cluster } from '@switchyard/proto';
import OpenAI from 'openai';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { TeWorld } from './scripted-te.js';
import { openTinyModel } from './test-router.js';

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const modelDir = fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url));
const story = 'Once upon a time.';
const messages = [{ role: 'user' as const, content: 'Hi' }];

let runDir: string;
let cacheDir: string;
let world: TeWorld;

beforeAll(async () => {
  runDir = mkdtempSync(join(tmpdir(), 'router-process-'));
  cacheDir = mkdtempSync(join(tmpdir(), 'router-cache-'));
  world = new TeWorld(await openTinyModel());
  await world.add('prefill-0', cluster.MemberKind.PREFILL, { answer: story });
  await world.add('decode-0', cluster.MemberKind.DECODE, { answer: story });
});
afterAll(async () => {
  await world.close();
  for (const dir of [runDir, cacheDir]) rmSync(dir, { recursive: true, force: true });
});

interface Started {
  child: ChildProcess;
  /** Standard output and error together, so far. */
  output(): string;
  exit: Promise<number | null>;
}

function start(args: string[], dir = modelDir): Started {
  const child = spawn(process.execPath, [main, '--model', dir, '--run-dir', runDir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', SWITCHYARD_CACHE_DIR: cacheDir },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exit = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  return { child, output: () => output, exit };
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const server = await listen(0);
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

function listen(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server)));
}

test('starts with static peers, answers, drains on SIGTERM and leaves no socket', async () => {
  const [http, grpc] = [await freePort(), await freePort()];
  const peers = world.tes.flatMap((te) => ['--peer', te.address]);
  const router = start(['--http-listen', `127.0.0.1:${http}`, '--grpc-listen', `127.0.0.1:${grpc}`, ...peers]);
  const url = `http://127.0.0.1:${http}`;
  await vi.waitFor(async () => expect((await fetch(`${url}/healthz`)).status).toBe(200), {
    timeout: 20_000,
    interval: 50,
  });
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'none', maxRetries: 0 });
  const stream = await openai.chat.completions.create({ model: 'switchyard-tiny', messages, stream: true });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe(story);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain('switchyard_router_requests_total{');
  expect(existsSync(join(runDir, 'router-0.sock'))).toBe(true);
  router.child.kill('SIGTERM');
  expect(await router.exit).toBe(0);
  expect(existsSync(join(runDir, 'router-0.sock'))).toBe(false);
  expect(await world.settled()).toEqual([]);
});

test('a taken port is one sentence and exit code 78', async () => {
  const taken = await listen(0);
  const address = taken.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const free = await freePort();
  for (const [httpPort, grpcPort, flag] of [
    [port, free, '--http-listen'],
    [free, port, '--grpc-listen'],
  ] as const) {
    const router = start(['--http-listen', `127.0.0.1:${httpPort}`, '--grpc-listen', `127.0.0.1:${grpcPort}`]);
    expect(await router.exit).toBe(78);
    const why = `cannot listen on 127.0.0.1:${port}: another program listens there already`;
    expect(router.output()).toContain(`router-0: ${why}; choose another address with ${flag}\n`);
  }
  await new Promise((resolve) => taken.close(resolve));
});

test('a tokenizer that cannot be used is one sentence and exit code 78', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'router-model-'));
  for (const file of ['config.json', 'model.safetensors']) symlinkSync(join(modelDir, file), join(dir, file));
  writeFileSync(join(dir, 'tokenizer.json'), '{"model":{"type":"WordPiece"}}');
  const router = start([], dir);
  expect(await router.exit).toBe(78);
  expect(router.output()).toMatch(/^router-0: cannot open .*: .*\n$/);
  rmSync(dir, { recursive: true });
});

test('models of one name are one sentence and exit code 78', async () => {
  const router = start(['--model', modelDir]);
  expect(await router.exit).toBe(78);
  expect(router.output()).toContain(`--name: 'switchyard-tiny' is the name of ${modelDir} and of ${modelDir}`);
});

test('a model directory that cannot be opened is one sentence and exit code 78', async () => {
  const router = start([], runDir);
  expect(await router.exit).toBe(78);
  expect(router.output().trim()).toBe(`router-0: cannot open ${runDir}: config.json: is missing in ${runDir}`);
});
