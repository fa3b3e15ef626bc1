// A model whose weights are packed once, into a file of its own, and mapped for each sequence: a text has many. Used by compare.ts.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OpenedModel } from '@switchyard/model-files';
import { type ArenaFile, loadNative } from '@switchyard/native';

/** Rows of a forward pass; the logits do not depend on it. */
const CHUNK_TOKENS = 128;
const PROGRESS_MS = 100;

export interface PackWatch {
  signal: AbortSignal;
  onProgress: (doneBytes: number, totalBytes: number) => void;
}

export class PackedModel {
  readonly #model: OpenedModel;
  readonly #arena: ArenaFile;
  readonly #threads: number;

  private constructor(model: OpenedModel, arena: ArenaFile, threads: number) {
    this.#model = model;
    this.#arena = arena;
    this.#threads = threads;
  }

  /** @param folder Where the packed weights go; whoever made it removes it. */
  static async pack(model: OpenedModel, folder: string, threads: number, watch: PackWatch): Promise<PackedModel> {
    watch.signal.throwIfAborted();
    const { executorSpec, weights, policy } = model;
    const arena = { path: join(folder, `${policy}.arena`), key: weights.digest };
    const run = loadNative().packModel({ model: executorSpec, weights, policy, kernelClass: 'fma16', arena });
    let isDone = false;
    const done = run.done.finally(() => {
      isDone = true;
    });
    const cancel = () => run.cancel();
    watch.signal.addEventListener('abort', cancel);
    try {
      while (!isDone) {
        const { doneBytes, totalBytes } = run.progress();
        watch.onProgress(doneBytes, totalBytes);
        await Promise.race([done, sleep(PROGRESS_MS)]);
      }
    } finally {
      watch.signal.removeEventListener('abort', cancel);
    }
    return new PackedModel(model, arena, threads);
  }

  /** Logits after each token: [tokens.length, vocabSize]. */
  evaluate(tokens: number[]): Float32Array {
    const { executorSpec, weights, policy } = this.#model;
    const how = { chunkTokens: CHUNK_TOKENS, mtp: false, threads: this.#threads };
    const source = { model: executorSpec, weights, policy, kernelClass: 'fma16', arena: this.#arena } as const;
    return loadNative().evaluate({ ...source, tokens, ...how }).logits;
  }
}
