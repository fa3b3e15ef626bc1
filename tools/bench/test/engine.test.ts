// Suite `engine` without its models: our engine's driver on the shipped model, figures, bars, and what other programs write.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { barsOf } from '../src/suites/engine/bars.js';
import { CASES, type CaseSpec } from '../src/suites/engine/cases.js';
import { Figures, OURS } from '../src/suites/engine/figures.js';
import { LlamaPrograms, parseBatchedBench, parseLlamaBench } from '../src/suites/engine/llama-programs.js';
import { bytesRead } from '../src/suites/engine/model/shape.js';
import { shapeOf } from '../src/suites/engine/model/shapes.js';
import { openOurs } from '../src/suites/engine/ours.js';
import { findPeer } from '../src/suites/engine/peer-install.js';
import { bandwidthOf } from '../src/suites/engine/read-bandwidth.js';
import { DecodeMeter, measure, randomPrompt } from '../src/suites/engine/workload.js';

const TINY = fileURLToPath(new URL('../../../models/switchyard-tiny', import.meta.url));

test('our engine decodes every sequence to its length, and gives its places back', async () => {
  const cacheDir = mkdtempSync(join(tmpdir(), 'switchyard-bench-ours-'));
  const engine = await openOurs({ modelPath: TINY, cacheDir, kernelClass: 'mla-split', isSplit: false });
  try {
    for (let i = 0; i < 40; i++) await engine.firstToken(randomPrompt(5, 2048, i));
    const counts = [0, 0, 0];
    const prompts = counts.map((_, i) => randomPrompt(8 + i, 2048, i));
    await engine.decode(prompts, 20, (sequenceIdx) => {
      counts[sequenceIdx] = (counts[sequenceIdx] ?? 0) + 1;
    });
    expect(counts).toEqual([21, 21, 21]);
    expect(await measure(engine, { kind: 'decode', numSequences: 2 }, 2048, 1)).toBeGreaterThan(0);
  } finally {
    await engine.close();
    rmSync(cacheDir, { recursive: true });
  }
});

test('decoding counts from when all sequences have a token', () => {
  let nowMs = 0;
  const meter = new DecodeMeter(2, () => nowMs);
  const tell = (atMs: number, ...sequences: number[]) => {
    nowMs = atMs;
    for (const sequenceIdx of sequences) meter.onToken(sequenceIdx);
  };
  tell(100, 0);
  tell(200, 0, 1);
  expect(() => meter.tokensPerSecond()).toThrow('no token was decoded');
  tell(300, 0, 1);
  tell(700, 0, 1);
  expect(meter.tokensPerSecond()).toBe(8);
});

test('prompts are the same for the same seed, others for others, and of ordinary tokens', () => {
  expect(randomPrompt(64, 8192, 7)).toEqual(randomPrompt(64, 8192, 7));
  expect(randomPrompt(64, 8192, 7)).not.toEqual(randomPrompt(64, 8192, 8));
  expect(Math.min(...randomPrompt(5000, 8192, 9))).toBeGreaterThanOrEqual(300);
  expect(Math.max(...randomPrompt(5000, 8192, 9))).toBeLessThan(8192);
});

const yardstick = (name: string, value: number) => ({ name, value });
const none = { peer: undefined, limit: undefined, others: [], colocated: undefined };

test('a multiple of the peer or a share of the bandwidth, whichever is less', () => {
  const target = { peer: 2.5, orShareOfBandwidth: 0.75 };
  const limit = yardstick('bandwidth', 300);
  expect(barsOf(target, { ...none, limit, peer: yardstick('peer', 80) })).toEqual([{ against: 'peer', bound: 2.5 }]);
  expect(barsOf(target, { ...none, limit, peer: yardstick('peer', 100) })).toEqual([{ against: 'limit', bound: 0.75 }]);
  expect(barsOf(target, { ...none, limit })).toEqual([{ against: 'peer', bound: 2.5 }]);
});

test('the best of the other programs, with the peer among them where it counts', () => {
  const others = [yardstick('a', 5), yardstick('b', 7)];
  const peer = yardstick('peer', 9);
  const barOf = (withPeer: boolean, given = others) =>
    barsOf({ others: { bound: 1.15, withPeer } }, { ...none, peer, others: given });
  expect(barOf(false)).toEqual([{ against: others[1], bound: 1.15 }]);
  expect(barOf(true)).toEqual([{ against: peer, bound: 1.15 }]);
  expect(barOf(true, [])).toEqual([]);
});

const caseOf = (name: string) => CASES.find((each) => each.name === name) as CaseSpec;

test('a row has the peer with its best number of threads, the limit of the bandwidth, and all other figures', () => {
  const figures = new Figures('peer', 'bf16', []);
  const shape = shapeOf('qwen3moe');
  figures.addBandwidth(2 * bytesRead(shape, 8));
  for (const value of [3, 5, 4]) figures.add('qwen3moe-decode-8', OURS, value);
  figures.add('qwen3moe-decode-8', { engine: 'peer', threads: 1 }, 6);
  figures.add('qwen3moe-decode-8', { engine: 'peer', threads: 2 }, 2);
  figures.add('qwen3moe-split-8', OURS, 2);
  const row = figures.measurementOf(caseOf('qwen3moe-decode-8'), shape);
  expect(row.values).toEqual([3, 5, 4]);
  expect(row.peer).toEqual({ name: 'peer, 1 thread', value: 6 });
  expect(row.limit?.value).toBeCloseTo(16);
  expect(row.extras).toEqual({ 'peer, 1 thread': 6, 'peer, 2 threads': 2 });
  const split = figures.measurementOf(caseOf('qwen3moe-split-8'), shape);
  expect(split.bars).toEqual([{ against: { name: 'qwen3moe-decode-8', value: 4 }, bound: 0.85 }]);
});

test('a row says which weights and kernel class ours ran in', () => {
  const noteOf = (name: string) => {
    const { shape } = caseOf(name);
    return new Figures('peer', 'bf16', []).measurementOf(caseOf(name), shapeOf(shape)).notes?.[0];
  };
  expect(noteOf('mla-prefill-512')).toBe('ours ran on bf16 weights in kernel class mla-split, the others on Q8_0');
  expect(noteOf('dense-prefill-512')).toContain('in kernel class fma16');
});

test('of times the least is the best', () => {
  const figures = new Figures('peer', 'bf16', []);
  figures.add('qwen3moe-cold-first-token', OURS, 900);
  figures.add('qwen3moe-cold-first-token', { engine: 'peer', threads: 1 }, 800);
  figures.add('qwen3moe-cold-first-token', { engine: 'peer', threads: 2 }, 700);
  const row = figures.measurementOf(caseOf('qwen3moe-cold-first-token'), shapeOf('qwen3moe'));
  expect(row).toMatchObject({ better: 'lower', unit: 'ms', peer: { name: 'peer, 2 threads', value: 700 } });
});

test('bandwidth is all bytes from the first start to the last end', () => {
  const scan = (startedMs: number, endedMs: number) => ({ startedMs, endedMs, bytesRead: 1000 });
  expect(bandwidthOf([scan(10, 50), scan(20, 60)])).toBe(40_000);
});

test('what llama-bench and llama-batched-bench write', () => {
  const json = 'loading\n[\n  {\n    "n_prompt": 512,\n    "avg_ts": 1050.25\n  }\n]\n';
  expect(parseLlamaBench(json)).toBe(1050.25);
  const table = [
    'main: n_kv_max = 640',
    '|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |      T s |    S t/s |',
    '|-------|--------|------|--------|----------|----------|----------|----------|----------|----------|',
    '|    32 |     48 |    8 |    640 |    0.512 |   500.00 |    0.828 |   464.10 |    1.340 |   477.61 |',
  ].join('\n');
  expect(parseBatchedBench(table)).toBe(464.1);
  expect(() => parseBatchedBench('no table')).toThrow('llama-batched-bench wrote no figures: no table');
  expect(() => parseLlamaBench('[\n]')).toThrow('llama-bench wrote no figures');
});

test('a llama.cpp that can repack its weights is told to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-bench-llama-'));
  const program = join(folder, 'llama-bench');
  const script = [
    '#!/bin/sh',
    'case "$*" in --help) echo "-rtr, --run-time-repack"; exit 1;; *"-t 3"*"-rtr 1"*) ;; *) exit 2;; esac',
  ];
  writeFileSync(program, [...script, `printf '[\\n  {"avg_ts": 7.5}]\\n'`].join('\n'), { mode: 0o755 });
  process.env.SWITCHYARD_BENCH_LLAMA_BENCH = program;
  try {
    const programs = new LlamaPrograms();
    expect(await programs.measure({ kind: 'prefill' }, 'model.gguf', 3)).toEqual([
      { name: 'llama-bench -rtr 1', value: 7.5 },
    ]);
    expect(await programs.measure({ kind: 'decode', numSequences: 8 }, 'model.gguf', 3)).toEqual([]);
  } finally {
    delete process.env.SWITCHYARD_BENCH_LLAMA_BENCH;
    rmSync(folder, { recursive: true });
  }
});

test('a folder without the peer is refused by name', () => {
  process.env.SWITCHYARD_BENCH_NODE_LLAMA_CPP = '/nowhere';
  try {
    expect(() => findPeer('/')).toThrow('SWITCHYARD_BENCH_NODE_LLAMA_CPP=/nowhere: has no node_modules/node-llama-cpp');
  } finally {
    delete process.env.SWITCHYARD_BENCH_NODE_LLAMA_CPP;
  }
  expect(findPeer('/nowhere')).toBeNull();
});
