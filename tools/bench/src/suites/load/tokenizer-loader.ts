// What a router waits for, in a process of its own: `node tokenizer-loader.js MODEL CACHE_DIR` opens a model's tokenizer, encodes a first
// text and prints what that took as a line of JSON. Started by load.ts.
import { openModel } from '@switchyard/model-files';

export interface TokenizerReport {
  /** From the path to the ids of a first text, ms. */
  readyMs: number;
}

const [path = '', cacheDir = ''] = process.argv.slice(2);
const startedAt = performance.now();
const { tokenizer } = await openModel(path, { cacheDir });
tokenizer.encode('A first text.');
const report: TokenizerReport = { readyMs: performance.now() - startedAt };
console.log(JSON.stringify(report));
