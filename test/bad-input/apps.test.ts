// Single apps, started on their own with something bad: each ends by itself, soon, with a message that names the cause and an
// exit code that is not 0, and leaves nothing behind.
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, within } from '@switchyard/testkit';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { REPO_ROOT } from '../framework/use-system.js';

const END_MS = 45_000; // for what hangs: a loaded machine takes ten seconds to start a process
const MODEL_DIR = join(REPO_ROOT, 'models/switchyard-tiny');
const APPS_WITH_MODEL = ['router', 'prefill', 'decode', 'attention', 'expert'];
const EVERY_APP = [...APPS_WITH_MODEL, 'cluster-manager'];

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sy-bad-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ending {
  code: number | null;
  output: string;
}

/** Runs an app until it ends; kills it, and fails, when it does not. */
async function runApp(app: string, ...flags: string[]): Promise<Ending> {
  const child = spawn(process.execPath, [join(REPO_ROOT, `apps/${app}/dist/main.js`), ...flags], {
    env: { ...process.env, TMPDIR: folder, SWITCHYARD_CACHE_DIR: join(folder, 'cache') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const ending = new Promise<Ending>((resolve) => child.once('close', (code) => resolve({ code, output })));
  try {
    return await within(`${app} ${flags.join(' ')}`, END_MS, ending);
  } finally {
    child.kill('SIGKILL');
  }
}

/** A copy of the shipped model that can be spoilt. */
function copyModel(): string {
  const copy = join(folder, 'model');
  cpSync(MODEL_DIR, copy, { recursive: true });
  return copy;
}

function spoilConfig(change: Record<string, unknown>): string {
  const copy = copyModel();
  const path = join(copy, 'config.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }));
  return copy;
}

/** Flags that let an app start alone, without a manager. */
function aloneFlags(model: string): string[] {
  return ['--id', 'bad-0', '--run-dir', folder, '--peer', `unix:${join(folder, 'nobody.sock')}`, '--model', model];
}

function expectRefusal(ending: Ending, says: RegExp): void {
  expect(ending.code, ending.output).toBeGreaterThan(0);
  expect(ending.output).toMatch(says);
  expect(ending.output, 'a sentence, not a stack trace').not.toMatch(/^\s+at .*\(?file:/m);
}

function expectNoSockets(): void {
  // A service takes an empty run folder with it.
  if (!existsSync(folder)) return;
  expect(readdirSync(folder, { recursive: true }).filter((name) => /\.(sock|xccl)$/.test(String(name)))).toEqual([]);
}

describe.each(APPS_WITH_MODEL)('%s', (app) => {
  test('a truncated safetensors file', async () => {
    const model = copyModel();
    truncateSync(join(model, 'model.safetensors'), 100_000);
    expectRefusal(await runApp(app, ...aloneFlags(model)), /model\.safetensors/);
    expectNoSockets();
  });

  test('a config with impossible shapes', async () => {
    expectRefusal(await runApp(app, ...aloneFlags(spoilConfig({ num_experts_per_tok: 33 }))), /num_experts_per_tok/);
    expectNoSockets();
  });
});

describe('a bad choice of how XCCL works', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  test.each([
    ['attention', 'SWITCHYARD_XCCL_PIN', '0-', /bad list of cores '0-'; expected .* such as 0,2-3/],
    ['expert', 'SWITCHYARD_XCCL_PIN', '1023', /may not run on core 1023; it may on: \d/],
    ['prefill', 'SWITCHYARD_XCCL_COPY', 'dma', /auto, cached, stream/],
    ['expert', 'SWITCHYARD_XCCL_WAIT', 'nap', /auto, spin, yield, futex/],
  ])('%s with %s=%s', async (app, variable, value, says) => {
    vi.stubEnv(variable, value);
    expectRefusal(await runApp(app, ...aloneFlags(MODEL_DIR)), says);
    expectNoSockets();
  });
});

test('npm start with a kernel class that the model is not made for', async () => {
  const model = join(REPO_ROOT, 'test/fixtures/models/gguf/llama/model.gguf');
  const ports = ['--http-port', String(await freePort()), '--grpc-port', String(await freePort())];
  const flags = ['--model', model, '--kernel-class', 'mla-split', '--topology', 'colocated'];
  const says =
    /cannot open \S+llama\S+: kernel-class: is mla-split, .* family llama has none: serve it with --kernel-class fma16/;
  expectRefusal(await runApp('cluster-manager', ...flags, ...ports), says);
  expect(readdirSync(folder).filter((name) => name !== 'cache')).toEqual([]);
});

describe('prefill, other spoilt models', () => {
  test.each([
    [
      'a safetensors file of a few bytes',
      (model: string) => truncateSync(join(model, 'model.safetensors'), 5),
      /model\.safetensors/,
    ],
    ['no safetensors file', (model: string) => rmSync(join(model, 'model.safetensors')), /safetensors/],
    ['a config that is no JSON', (model: string) => writeFileSync(join(model, 'config.json'), '{'), /config\.json/],
    ['no config', (model: string) => rmSync(join(model, 'config.json')), /config\.json/],
    ['no tokenizer', (model: string) => rmSync(join(model, 'tokenizer.json')), /tokenizer\.json/],
  ])('%s', async (_name, spoil, says) => {
    const model = copyModel();
    spoil(model);
    expectRefusal(await runApp('prefill', ...aloneFlags(model)), says);
  });

  test.each([
    ['hidden_size', -1],
    ['kv_lora_rank', 0],
    ['n_group', 5],
    ['vocab_size', 1e12],
    ['hidden_act', 'gelu'],
    ['model_type', 'unheard_of'],
  ])('a config with %s %s', async (field, value) => {
    const ending = await runApp('prefill', ...aloneFlags(spoilConfig({ [field]: value, ...archOf(field, value) })));
    expectRefusal(ending, field === 'model_type' ? /unheard_of|architectures/ : new RegExp(field));
  });

  test('no model folder', async () => {
    expectRefusal(await runApp('prefill', ...aloneFlags(join(folder, 'nowhere'))), /nowhere/);
  });
});

describe.each(EVERY_APP)('%s', (app) => {
  test('an unknown flag', async () => {
    expectRefusal(await runApp(app, '--no-such-flag', '1'), /no-such-flag/);
  });

  test('a bad value', async () => {
    expectRefusal(await runApp(app, '--log-level', 'shouting'), /log-level|logLevel/);
  });

  test('--help ends well and lists the options', async () => {
    const ending = await runApp(app, '--help');
    expect(ending.code, ending.output).toBe(0);
    expect(ending.output).toContain('--log-level');
  });
});

test('npm start with a port that is taken says so in one sentence', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const address = taken.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const ending = await runApp(
    'cluster-manager',
    '--topology',
    'colocated',
    '--http-port',
    String(port),
    '--grpc-port',
    String(await freePort()),
  );
  await new Promise((resolve) => taken.close(resolve));
  expectRefusal(ending, new RegExp(`${port}`));
  expect(readdirSync(folder).filter((name) => name !== 'cache')).toEqual([]);
});

function archOf(field: string, value: unknown): Record<string, unknown> {
  return field === 'model_type' ? { architectures: [`${String(value)}ForCausalLM`] } : {};
}
