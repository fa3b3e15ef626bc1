// Members of one model in unequal kernel classes, started by hand: whatever is of the other class is refused, with both classes in the
// message, and nothing is served that would give another answer.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppProcess, freePort } from '@switchyard/testkit';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readMetrics } from '../framework/metrics.js';
import { MODEL } from '../framework/use-system.js';

const START_MS = 20_000; // several processes on a loaded machine
const SPLIT = ['--kernel-class', 'mla-split'];
const KV = ['--kv-bytes', '4MiB'];

let runDir = '';
let running: AppProcess[] = [];

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'sy-'));
  running = [];
});

afterEach(async () => {
  const ends = [];
  for (const app of running.reverse()) ends.push((await app.stop()).exitCode);
  rmSync(runDir, { recursive: true, force: true });
  expect(ends).toEqual(ends.map(() => 0));
});

/** Starts these apps, each told of all of them. */
function start(apps: Record<string, string[]>): AppProcess[] {
  const peers = Object.keys(apps).flatMap((id) => ['--peer', `unix:${runDir}/${id}.sock`]);
  running = Object.entries(apps).map(([id, args]) => new AppProcess(id, [...args, ...peers], runDir));
  return running;
}

const logOf = (...apps: (AppProcess | undefined)[]) =>
  expect.poll(() => apps.map((app) => app?.log).join('\n'), { timeout: START_MS });

/** What one of two ranks, whichever is dialled, says of the other. */
const refusalOf = (...ids: [string, string]) =>
  new RegExp(`"reason":"numeric class 'fp32/.*' and 'fp32/.*' do not pair","msg":"rank (${ids.join('|')}) is refused"`);

test('a prefill and a decode of unequal classes serve no request, and link no memory', async () => {
  const [http, grpc] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const [prefill, decode] = start({
    'prefill-0': ['--xccl-rank', '0', ...KV],
    'decode-0': ['--mode', 'pd', '--xccl-rank', '1', ...KV, ...SPLIT],
    'router-0': ['--http-listen', http, '--grpc-listen', grpc],
  });
  await logOf(prefill, decode).toMatch(refusalOf('prefill-0', 'decode-0'));
  const missing = async () => (await fetch(`http://${http}/healthz`).catch(() => null))?.text();
  const text = `a prefill and a decode TE of ${MODEL} of one numeric class`;
  await expect.poll(missing, { timeout: START_MS }).toContain(text);
});

test('a decode in mla-split commands no attention rank in fma16, and an attention rank in mla-split asks no expert in fma16', async () => {
  const ranks = ['--attention-ranks', '2', '--expert-ranks', '1'];
  const metrics = `127.0.0.1:${await freePort()}`;
  const [decode, , attention, expert] = start({
    'decode-0': ['--mode', 'full', '--attention-ranks', '1', '--metrics-listen', metrics, ...SPLIT],
    'attention-0': ['--xccl-rank', '1', ...KV, ...ranks],
    'attention-1': ['--xccl-rank', '2', ...KV, ...ranks, ...SPLIT],
    'expert-0': ['--xccl-rank', '3', ...ranks],
  });
  await logOf(decode).toMatch(
    /attention-0 cannot be commanded: attention-0 has numeric class fp32\/fma16\/\S+, not fp32\/mla-split\//,
  );
  await logOf(attention, expert).toMatch(refusalOf('attention-1', 'expert-0'));
  expect(decode?.log).not.toContain('is a DP group of this TE');
  const series = await readMetrics(`http://${metrics}`);
  expect(series.find(({ name }) => name === 'switchyard_model_info')?.labels.numeric_class).toMatch(
    /^fp32\/mla-split\//,
  );
});
