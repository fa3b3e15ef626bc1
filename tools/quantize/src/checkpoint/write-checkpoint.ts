// Writes a whole W8A8 checkpoint: beside its place, and renamed when it is whole, so that there is never half of one. Called by main.ts.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Source } from '../source.js';
import { quantizedConfig } from './config.js';
import { planConversions } from './conversion.js';
import { cutShards, indexOf, type Shard } from './shards.js';
import { type WriteRun, writeShard } from './write-shard.js';

export interface CheckpointRun extends WriteRun {
  maxShardBytes: number;
  /** After each file. */
  onShard: (shard: Shard, shardIdx: number, numShards: number) => void;
}

/** What goes with a model as it is: tokenizer, generation defaults, licence, code; not its weights in other forms, nor its card. */
const COPIED = /^(?!config\.json$)[^.].*\.(json|jinja|txt|model|tiktoken|py)$|^(LICENSE|NOTICE)/;
const INDEX = /\.index\.json$/;

/** @throws Error when there is something at `out`, so that nobody's files are lost. */
export function refuseExisting(out: string): void {
  if (existsSync(out)) throw new Error(`${out} exists; give --out a name that is free`);
}

/** @throws the run's signal's reason, or what went wrong; then nothing of it is left. */
export async function writeCheckpoint(source: Source, out: string, run: CheckpointRun): Promise<void> {
  const place = resolve(out);
  refuseExisting(place);
  await mkdir(dirname(place), { recursive: true });
  const unfinished = join(dirname(place), `.${basename(place)}-unfinished-${process.pid}`);
  await mkdir(unfinished);
  try {
    await writeFiles(source, unfinished, run);
    await syncFolder(unfinished);
    run.signal.throwIfAborted();
    refuseExisting(place);
    await rename(unfinished, place);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

async function writeFiles({ dir, config, tensors, model }: Source, folder: string, run: CheckpointRun): Promise<void> {
  const { conversions, ignore } = planConversions(tensors, model.weights);
  const shards = cutShards(conversions, run.maxShardBytes);
  for (const [i, shard] of shards.entries()) {
    await writeShard(join(folder, shard.file), shard, run);
    run.onShard(shard, i, shards.length);
  }
  const index = indexOf(shards);
  if (index) await writeJson(join(folder, 'model.safetensors.index.json'), index);
  await writeJson(join(folder, 'config.json'), quantizedConfig(config, ignore));
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const isCopied = !entry.isDirectory() && COPIED.test(entry.name) && !INDEX.test(entry.name);
    if (isCopied) await copyFile(join(dir, entry.name), join(folder, entry.name));
  }
}

const writeJson = (path: string, json: object) => writeFile(path, `${JSON.stringify(json, null, 2)}\n`);

/** So that no name of a file is lost where the rename is not. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder);
  await handle.sync().finally(() => handle.close());
}
