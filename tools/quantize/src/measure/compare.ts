// Perplexity of two models of one tokenizer on a text, and how far the second's predictions are from the first's. Called by main.ts.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { OpenedModel } from '@switchyard/model-files';
import { type Divergence, DivergenceMeter } from './divergence.js';
import { PackedModel } from './packed-model.js';
import { type Window, windowsOf } from './windows.js';

export interface Comparison extends Divergence {
  windowTokens: number;
}

export interface CompareOptions {
  text: string;
  /** At most the context of the model. */
  windowTokens: number;
  threads: number;
  /** Where packed weights of both lie meanwhile. */
  scratchDir?: string;
  signal: AbortSignal;
  onProgress: (what: string, done: number, total: number) => void;
}

/** @throws the signal's reason, between two windows. */
export async function compare(source: OpenedModel, result: OpenedModel, options: CompareOptions): Promise<Comparison> {
  const tokens = source.tokenizer.encode(options.text, { addSpecial: true });
  if (tokens.length < 2) throw new Error(`the text has ${tokens.length} tokens, at least 2 are needed`);
  const windowTokens = Math.min(options.windowTokens, source.spec.maxPositions);
  const folder = await mkdtemp(join(options.scratchDir ?? tmpdir(), 'switchyard-quantize-'));
  try {
    const packedSource = await pack(source, folder, options);
    const packedResult = await pack(result, folder, options);
    const meter = new DivergenceMeter();
    const windows = windowsOf(tokens.length, windowTokens);
    for (const [i, window] of windows.entries()) {
      options.onProgress('measuring', i, windows.length);
      await turn();
      options.signal.throwIfAborted();
      score([packedSource, packedResult], tokens, window, meter);
    }
    return { ...meter.result(), windowTokens };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function pack(
  model: OpenedModel,
  folder: string,
  { threads, signal, onProgress }: CompareOptions,
): Promise<PackedModel> {
  const watch = { signal, onProgress: (done: number, total: number) => onProgress('packing', done, total) };
  return PackedModel.pack(model, folder, threads, watch);
}

function score(
  [source, result]: [PackedModel, PackedModel],
  tokens: readonly number[],
  { start, end, firstScored }: Window,
  meter: DivergenceMeter,
): void {
  // The last token is predicted, and predicts nothing.
  const context = tokens.slice(start, end - 1);
  const [ofSource, ofResult] = [source.evaluate(context), result.evaluate(context)];
  const width = ofSource.length / context.length;
  for (let target = firstScored; target < end; target++) {
    const from = (target - 1 - start) * width;
    const rows = [ofSource, ofResult].map((logits) => logits.subarray(from, from + width));
    meter.add(rows[0] as Float32Array, rows[1] as Float32Array, tokens[target] as number);
  }
}
