// What the tests here share: models to quantise, a folder that goes with a test, and a terminal that is a text.
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Terminal } from '@switchyard/kit';
import { parseSafetensorsHeader, type WeightTensor } from '@switchyard/model';
import { METHODS } from '../src/methods/registry.js';
import type { QuantizeOptions } from '../src/options.js';
import type { Surroundings } from '../src/quantize.js';

const pathOf = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

export const TINY = pathOf('models/switchyard-tiny');
export const HELD_OUT = readFileSync(new URL('../held-out/conversations.txt', import.meta.url), 'utf8');
export const METHOD = METHODS[0] as (typeof METHODS)[number];

/** Gives `use` a folder that is gone afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-quantize-test-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A fixture of tools/golden in a folder of its own, with as much of the shipped model's tokenizer as its vocabulary has room for. */
export function copyFixture(fixture: string, folder: string): string {
  const dir = join(folder, 'source');
  mkdirSync(dir);
  const from = pathOf(`test/fixtures/models/${fixture}`);
  for (const file of ['config.json', 'model.safetensors']) copyFileSync(join(from, file), join(dir, file));
  const { vocab_size: vocabSize } = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8'));
  const tokenizer = JSON.parse(readFileSync(join(TINY, 'tokenizer.json'), 'utf8'));
  const { vocab, merges } = tokenizer.model as { vocab: Record<string, number>; merges: (string | string[])[] };
  const fits = (text: string) => (vocab[text] ?? vocabSize) < vocabSize;
  const model = {
    ...tokenizer.model,
    vocab: Object.fromEntries(Object.entries(vocab).filter(([text]) => fits(text))),
    merges: merges.filter((merge) => fits([merge].flat().join(' ').replace(' ', ''))),
  };
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify({ ...tokenizer, model }));
  return dir;
}

export function optionsFor(out: string, changed: Partial<QuantizeOptions> = {}): QuantizeOptions {
  const defaults = {
    method: 'rtn',
    maxShardBytes: 2 ** 30,
    measure: false,
    text: 'held-out',
    windowTokens: 128,
    threads: 2,
  };
  return { out, ...defaults, ...changed };
}

/** No terminal: what is written is kept. */
export function quiet(signal: AbortSignal = new AbortController().signal): Surroundings & { written: () => string } {
  let written = '';
  const write = (text: string) => {
    written += text;
    return true;
  };
  const stream = { isTTY: false, write };
  return { terminal: new Terminal(stream as unknown as NodeJS.WriteStream), signal, written: () => written };
}

/** Tensors of all safetensors files of a folder, with their bytes. */
export function readTensors(dir: string): Map<string, WeightTensor & { data: Buffer }> {
  const files = readdirSync(dir).filter((file) => file.endsWith('.safetensors'));
  const tensors = files.flatMap((file) => {
    const bytes = readFileSync(join(dir, file));
    return parseSafetensorsHeader(bytes, bytes.byteLength, file).map((tensor) => ({
      ...tensor,
      data: bytes.subarray(tensor.offset, tensor.offset + tensor.bytes),
    }));
  });
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}
