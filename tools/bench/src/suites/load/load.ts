// Suite `load`: from a model's files to an executor that takes plans. Cold makes digest and arena, which is beside copying the files;
// cached finds them, which is beside reading the files. The files are in the page cache in all cases. No engine needs a tokenizer to take
// plans; the router's way to its first ids has a case of its own.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Measurement, Yardstick } from '../../row.js';
import { median } from '../../stats.js';
import type { BenchContext, Suite } from '../../suite.js';
import type { LoadReport } from './loader.js';
import { writeRandomMoe } from './random-moe.js';
import type { TokenizerReport } from './tokenizer-loader.js';

const execute = promisify(execFile);
const LOADER = fileURLToPath(new URL('./loader.js', import.meta.url));
const TOKENIZER_LOADER = fileURLToPath(new URL('./tokenizer-loader.js', import.meta.url));
const TIMEOUT_MS = 300_000;
const CACHED_BOUND = 1.25; // of reading the files: the bar
const MIB = 2 ** 20;

interface BenchModel {
  name: string;
  path: string;
}

interface ModelRuns {
  name: string;
  catMs: number[];
  cpMs: number[];
  cold: LoadReport[];
  cached: LoadReport[];
  coldTokenizer: TokenizerReport[];
  tokenizer: TokenizerReport[];
}

export const load: Suite = {
  name: 'load',
  summary: 'time and memory from the files of a model to ready, without and with an arena, beside reading the files',
  run,
};

async function run(context: BenchContext): Promise<Measurement[]> {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-bench-load-'));
  try {
    const models = modelsIn(context, folder);
    const runs = models.map(({ name }) => noRuns(name));
    for (let runIdx = 0; runIdx < context.numRuns; runIdx++) {
      for (const [i, model] of models.entries()) {
        context.progress(`run ${runIdx + 1} of ${context.numRuns}: ${model.name}`);
        const kept = runs[i];
        if (kept !== undefined) await measure(model, join(folder, 'cache'), kept);
      }
    }
    return runs.flatMap(measurementsOf);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function noRuns(name: string): ModelRuns {
  return { name, catMs: [], cpMs: [], cold: [], cached: [], coldTokenizer: [], tokenizer: [] };
}

function modelsIn({ repoRoot, isWanted, progress }: BenchContext, folder: string): BenchModel[] {
  const tiny = join(repoRoot, 'models/switchyard-tiny');
  const smol = join(repoRoot, '.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf');
  const models = [{ name: 'switchyard-tiny', path: tiny }];
  if (existsSync(smol)) models.push({ name: 'smollm2-135m-q4_1', path: smol });
  else progress('SmolLM2 is left out: npm run fetch-model brings it');
  const moe = 'random-moe-2gb';
  if (casesOf(moe).some(isWanted)) {
    progress(`writing ${moe}`);
    const path = join(folder, moe);
    mkdirSync(path);
    writeRandomMoe(path, tiny);
    models.push({ name: moe, path });
  }
  return models.filter(({ name }) => casesOf(name).some(isWanted));
}

const casesOf = (model: string) =>
  ['cold', 'cached', 'cold memory', 'cached tokenizer'].map((what) => `${model}: ${what}`);

async function measure({ path }: BenchModel, cacheDir: string, runs: ModelRuns): Promise<void> {
  const files = weightFilesOf(path);
  rmSync(cacheDir, { recursive: true, force: true });
  await readAll(files); // so that all cases find them in the page cache
  runs.catMs.push(await readAll(files));
  mkdirSync(cacheDir);
  runs.cpMs.push(await timeShell('cp "$@"', [...files, cacheDir]));
  rmSync(cacheDir, { recursive: true, force: true });
  const once = async <T>(program: string): Promise<T> => {
    const { stdout } = await execute(process.execPath, [program, path, cacheDir], { timeout: TIMEOUT_MS });
    return JSON.parse(stdout);
  };
  runs.cold.push(await once(LOADER));
  runs.cached.push(await once(LOADER));
  runs.coldTokenizer.push(await once(TOKENIZER_LOADER));
  runs.tokenizer.push(await once(TOKENIZER_LOADER));
}

function weightFilesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path).flatMap((file) => (file.endsWith('.safetensors') ? [join(path, file)] : []));
}

const readAll = (files: readonly string[]) => timeShell('cat "$@" > /dev/null', files);

/** What a shell command takes, ms. */
async function timeShell(command: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  await execute('sh', ['-c', command, 'sh', ...args], { timeout: TIMEOUT_MS });
  return performance.now() - startedAt;
}

function measurementsOf({ name, catMs, cpMs, cold, cached, coldTokenizer, tokenizer }: ModelRuns): Measurement[] {
  const [coldCase = '', cachedCase = '', memoryCase = '', tokenizerCase = ''] = casesOf(name);
  const cat = { name: 'cat FILES', value: median(catMs) };
  const first = cold[0];
  if (first === undefined) return [];
  const mostBytes = first.arenaBytes + first.tensorBytes;
  return [
    timeRow(coldCase, cold, { name: 'cp FILES', value: median(cpMs) }),
    { ...timeRow(cachedCase, cached, cat), bars: [{ against: 'limit', bound: CACHED_BOUND }] },
    {
      case: memoryCase,
      unit: 'MiB',
      better: 'lower',
      values: cold.map(({ peakBytes }) => peakBytes / MIB),
      limit: { name: 'arena and largest tensor', value: mostBytes / MIB },
      bars: [{ against: 'limit', bound: 1 }],
      extras: {
        'arena MiB': first.arenaBytes / MIB,
        'largest tensor MiB': first.tensorBytes / MIB,
        'cached MiB': median(cached.map(({ peakBytes }) => peakBytes)) / MIB,
      },
    },
    {
      case: tokenizerCase,
      unit: 'ms',
      better: 'lower',
      values: tokenizer.map(({ readyMs }) => readyMs),
      limit: cat,
      extras: { 'cold ms': median(coldTokenizer.map(({ readyMs }) => readyMs)) },
    },
  ];
}

function timeRow(name: string, reports: readonly LoadReport[], limit: Yardstick): Measurement {
  const medianOf = (field: keyof LoadReport) => median(reports.map((report) => report[field]));
  return {
    case: name,
    unit: 'ms',
    better: 'lower',
    values: reports.map(({ readyMs }) => readyMs),
    limit,
    extras: {
      'description ms': medianOf('openMs'),
      'digest and arena ms': medianOf('prepareMs'),
      'first 16 tokens ms': medianOf('firstMs'),
    },
  };
}
