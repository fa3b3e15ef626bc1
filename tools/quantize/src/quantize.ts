// The whole of a run: open and check, write, compare, and say what was done. Called by main.ts and by tests.
import { basename, dirname, resolve } from 'node:path';
import { progressBar, progressText, sizeText, type Terminal } from '@switchyard/kit';
import { ModelError, toExecutorSpec } from '@switchyard/model';
import { openModel } from '@switchyard/model-files';
import type { Shard } from './checkpoint/shards.js';
import { refuseExisting, writeCheckpoint } from './checkpoint/write-checkpoint.js';
import { PIECE_ELEMENTS } from './checkpoint/write-shard.js';
import { type Comparison, compare } from './measure/compare.js';
import { findMethod } from './methods/registry.js';
import type { QuantizeOptions } from './options.js';
import { renderComparison } from './report.js';
import { openSource, type Source } from './source.js';

export interface Surroundings {
  terminal: Terminal;
  /** Its reason ends the run. */
  signal: AbortSignal;
}

/**
 * @param text To compare on; not used without `measure`.
 * @returns null where nothing was compared.
 */
export async function quantize(
  dir: string,
  options: QuantizeOptions,
  text: string,
  { terminal, signal }: Surroundings,
): Promise<Comparison | null> {
  const method = findMethod(options.method);
  refuseExisting(options.out);
  const source = await openSource(dir);
  const totalBytes = source.tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  try {
    await writeCheckpoint(source, options.out, {
      method,
      pieceElements: PIECE_ELEMENTS,
      signal,
      maxShardBytes: options.maxShardBytes,
      onBytes: (bytes) => {
        doneBytes += bytes;
        terminal.showBar(`quantising ${source.model.name} ${progressText(doneBytes, totalBytes)}`);
      },
      onShard: (shard, i, count) => {
        if (!terminal.isTty || i === count - 1) terminal.showBar('');
        if (!terminal.isTty) terminal.write(`${shardText(shard)} (${i + 1} of ${count})\n`);
      },
    });
    terminal.write(`${options.out}: ${method.name}, from ${sizeText(totalBytes)} of tensors\n`);
    return options.measure ? await measure(source, options, text, { terminal, signal }) : null;
  } finally {
    terminal.showBar('');
  }
}

function shardText({ file, conversions, bytes }: Shard): string {
  const numQuantized = conversions.filter(({ kind }) => kind === 'quantize').length;
  return `${file}: ${numQuantized} of ${conversions.length} tensors in INT8, ${sizeText(bytes)}`;
}

async function measure(
  source: Source,
  options: QuantizeOptions,
  text: string,
  { terminal, signal }: Surroundings,
): Promise<Comparison | null> {
  const reason = whyNotRun(source);
  if (reason !== null) {
    terminal.write(`not compared: the executor cannot run this model (${reason})\n`);
    return null;
  }
  const [before, after] = [await openModel(source.dir), await openModel(options.out)];
  const found = await compare(before, after, {
    text,
    windowTokens: options.windowTokens,
    threads: options.threads,
    scratchDir: dirname(resolve(options.out)),
    signal,
    onProgress: (what, done, total) => terminal.showBar(`${what} ${progressBar(done, total)}`),
  });
  terminal.showBar('');
  terminal.write(renderComparison(basename(options.text), [before.policy, after.policy], found));
  return found;
}

/** Null for a model that the executor runs. */
function whyNotRun({ model }: Source): string | null {
  try {
    toExecutorSpec(model.spec);
    return null;
  } catch (error) {
    if (error instanceof ModelError) return error.message;
    throw error;
  }
}
