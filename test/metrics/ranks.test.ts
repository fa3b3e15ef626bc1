// The metrics of ranks, as Prometheus would scrape them: a whole system started by hand, whose attention and expert ranks serve
// /metrics, answers a request; then both pages must say the same of every primitive in counters and histograms.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppProcess, freePort, waitFor } from '@switchyard/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { greedyChat, streamChat } from '../framework/http-api.js';
import { metricSum, readMetrics, type Series, toNumber } from '../framework/metrics.js';
import { MODEL } from '../framework/use-system.js';

const READY_MS = 60_000; // five processes on a loaded machine
const STOP_MS = 30_000;
const HISTOGRAM = 'switchyard_xccl_call_duration_seconds';
const RANKS = ['--attention-ranks', '1', '--expert-ranks', '1'];
const APPS = [
  { id: 'prefill-0', args: ['--xccl-rank', '0', '--kv-bytes', '4MiB'] },
  { id: 'attention-0', args: ['--xccl-rank', '1', '--kv-bytes', '4MiB', ...RANKS] },
  { id: 'expert-0', args: ['--xccl-rank', '2', ...RANKS] },
  { id: 'decode-0', args: ['--mode', 'full', '--attention-ranks', '1'] },
];

const runDir = mkdtempSync(join(tmpdir(), 'sy-'));
const peers = APPS.flatMap(({ id }) => ['--peer', `unix:${runDir}/${id}.sock`]);
const running: AppProcess[] = [];
const pages = new Map<string, string>();
let http = '';

/** Starts an app that is told of all the others. */
function start(id: string, args: string[]): void {
  running.push(new AppProcess(id, [...args, ...peers], runDir));
}

beforeAll(async () => {
  for (const { id, args } of APPS) {
    const address = `127.0.0.1:${await freePort()}`;
    pages.set(id, `http://${address}`);
    start(id, [...args, '--metrics-listen', address]);
  }
  const [httpListen, grpcListen] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  http = `http://${httpListen}`;
  start('router-0', ['--http-listen', httpListen, '--grpc-listen', grpcListen]);
  await waitFor('the system to be ready', READY_MS, isReady, 100).catch((error) => {
    throw new Error(`${error}; its log:\n${running.map((app) => app.log).join('\n')}`);
  });
}, READY_MS + 10_000);

afterAll(async () => {
  // Who needs others goes first.
  const ends = [];
  for (const app of running.reverse()) ends.push((await app.stop()).exitCode);
  // Whoever ends last removes the folder when nothing lies in it.
  const left = existsSync(runDir) ? readdirSync(runDir) : [];
  rmSync(runDir, { recursive: true, force: true });
  expect({ ends, left }).toEqual({ ends: ends.map(() => 0), left: [] });
}, STOP_MS);

async function isReady(): Promise<true | undefined> {
  const answer = await fetch(`${http}/healthz`).catch(() => undefined);
  return answer?.ok || undefined;
}

/** The series of a metric by primitive and peer: the labels that counters and histogram share. */
function byLink(series: readonly Series[], name: string): Map<string, Series[]> {
  const links = new Map<string, Series[]>();
  for (const each of series.filter((one) => one.name === name)) {
    const { primitive, peer, otel_scope_name } = each.labels;
    const link = `${primitive} ${peer} ${otel_scope_name}`;
    links.set(link, [...(links.get(link) ?? []), each]);
  }
  return links;
}

const firstValue = (series: readonly Series[] | undefined) => series?.[0]?.value;

test('the MTP layer is right often enough behind a prefill on another rank: 1.6 tokens a step with one draft', async () => {
  const page = pages.get('attention-0') as string;
  const counts = async () => ({
    numDrafts: await metricSum(page, 'switchyard_spec_decode_num_drafts_total'),
    numDraftTokens: await metricSum(page, 'switchyard_spec_decode_num_draft_tokens_total'),
    numAccepted: await metricSum(page, 'switchyard_spec_decode_num_accepted_tokens_total'),
    numFirst: await metricSum(page, 'switchyard_spec_decode_num_accepted_tokens_per_pos_total'),
  });
  const before = await counts();
  for (const subject of ['a brave fox', 'a little boat', 'two friends and a kite', 'an old tree'])
    await streamChat(http, greedyChat(`Tell me a story about ${subject}.`, 64));
  const after = await counts();
  const numDrafts = after.numDrafts - before.numDrafts;
  expect(numDrafts).toBeGreaterThan(50);
  expect(after.numDraftTokens - before.numDraftTokens).toBe(numDrafts);
  expect(after.numFirst).toBe(after.numAccepted);
  expect(1 + (after.numAccepted - before.numAccepted) / numDrafts).toBeGreaterThanOrEqual(1.6);
});

test.each([
  { id: 'attention-0', links: ['get prefill-0', 'a2e_send expert-0'] },
  { id: 'expert-0', links: ['a2e_take several', 'e2a_reply attention-0'] },
])('$id shows every call in a bucket, and as many as it counts', async ({ id, links }) => {
  const outcome = await streamChat(http, greedyChat('Hi', 8));
  expect(outcome.done).toBe(true);
  const series = await readMetrics(pages.get(id) ?? '');
  const calls = byLink(series, 'switchyard_xccl_calls_total');
  const seconds = byLink(series, 'switchyard_xccl_seconds_total');
  const counts = byLink(series, `${HISTOGRAM}_count`);
  const sums = byLink(series, `${HISTOGRAM}_sum`);
  const buckets = byLink(series, `${HISTOGRAM}_bucket`);
  for (const link of links) expect([...buckets.keys()]).toContain(`${link} @switchyard/${id.replace(/-0$/, '')}`);
  expect([...counts.keys()]).toEqual([...buckets.keys()]);
  for (const [link, counted] of calls) {
    const numCalls = firstValue(counted);
    if (numCalls === 0) continue; // a peer of calls with several has bytes alone
    expect(firstValue(counts.get(link)), link).toBe(numCalls);
    expect(firstValue(sums.get(link)), link).toBe(firstValue(seconds.get(link)));
    expectCumulative(buckets.get(link) ?? [], numCalls);
  }
});

test('each process names the model that it runs, and its numeric class', async () => {
  for (const page of pages.values()) {
    const [info] = (await readMetrics(page)).filter(({ name }) => name === 'switchyard_model_info');
    expect(info).toMatchObject({
      value: 1,
      labels: { model: MODEL, numeric_class: expect.stringMatching(/^fp32\/fma16\//) },
    });
  }
});

/** Bounds ascend to infinity, counts never fall, and the last is the number of calls. */
function expectCumulative(buckets: readonly Series[], numCalls: number | undefined): void {
  const bounds = buckets.map(({ labels }) => toNumber(labels.le));
  const counts = buckets.map(({ value }) => value);
  expect(bounds).toEqual([...new Set(bounds)].sort((a, b) => a - b));
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect([bounds.at(-1), counts.at(-1)]).toEqual([Number.POSITIVE_INFINITY, numCalls]);
}
