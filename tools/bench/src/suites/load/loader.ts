// One load in a process of its own: `node loader.js MODEL CACHE_DIR` opens a model as a service does, prints what that took as a line of
// JSON, and ends. Started by load.ts.
import { readFileSync, statSync } from 'node:fs';
import { prepareWeights, WeightsCache } from '@switchyard/flowserve';
import type { Logger } from '@switchyard/kit';
import type { WeightTensor } from '@switchyard/model';
import { openModel } from '@switchyard/model-files';
import { loadNative } from '@switchyard/native';

export interface LoadReport {
  /** From the path to an executor that takes plans, ms. */
  readyMs: number;
  /** Of it: description, then digest and arena; the rest maps. */
  openMs: number;
  prepareMs: number;
  /** Ready to the logits of a prompt of 16 tokens, ms. */
  firstMs: number;
  /** Most memory that the process held until it was ready, beyond what it held before it began, bytes. */
  peakBytes: number;
  arenaBytes: number;
  /** Of the largest tensor in memory, bytes. */
  tensorBytes: number;
}

const PROMPT_TOKENS = 16;
const FLOAT_BYTES = 4;

function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line?.[1]) * 1024;
}

async function load(path: string, cacheDir: string): Promise<LoadReport> {
  const native = loadNative();
  native.numericClass('fp32', 'fma16'); // runs the self-test once, which no load waits for
  const log = { info: () => {}, warn: () => {} } as unknown as Logger;
  const { signal } = new AbortController();
  const beforeBytes = statusBytes('VmRSS');
  const startedAt = performance.now();
  const cache = new WeightsCache(cacheDir);
  const opened = await openModel(path, { cacheDir: cache.dir });
  const openedAt = performance.now();
  const common = { native, opened, cache, signal, log };
  const { arena } = await prepareWeights({ ...common, needsArena: true, onProgress: () => {} });
  const preparedAt = performance.now();
  const { executorSpec: model, weights, spec, policy } = opened;
  const source = { model, weights, arena, policy, kernelClass: 'fma16' } as const;
  const pool = { numBlocks: 4, blockTokens: 16, maxBatchTokens: 16, numSpeculativeTokens: 0, threads: 1 };
  const executor = native.createExecutor({ ...source, ...pool, communicator: null, experts: null, onSteps: () => {} });
  const readyAt = performance.now();
  const peakBytes = statusBytes('VmHWM') - beforeBytes;
  executor.close();
  const tokens = Array.from({ length: PROMPT_TOKENS }, (_, i) => (i * 7919) % spec.vocabSize);
  const firstAt = performance.now();
  native.evaluate({ ...source, tokens, chunkTokens: PROMPT_TOKENS, mtp: false, threads: 1 });
  return {
    readyMs: readyAt - startedAt,
    openMs: openedAt - startedAt,
    prepareMs: preparedAt - openedAt,
    firstMs: performance.now() - firstAt,
    peakBytes,
    arenaBytes: statSync(arena?.path ?? '').size,
    tensorBytes: Math.max(...weights.tensors.map(memoryOf)),
  };
}

/** BF16 stays, all else becomes fp32. */
function memoryOf({ dtype, shape }: WeightTensor): number {
  return shape.reduce((product, size) => product * size, dtype === 'BF16' ? FLOAT_BYTES / 2 : FLOAT_BYTES);
}

const [path = '', cacheDir = ''] = process.argv.slice(2);
console.log(JSON.stringify(await load(path, cacheDir)));
