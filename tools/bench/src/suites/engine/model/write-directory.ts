// Writes a shape as a Hugging Face directory: config.json, a tokenizer, one safetensors file in bf16.
import { closeSync, copyFileSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { weightsOf } from './random-weights.js';
import { type BenchShape, partsOf, sizeOf } from './shape.js';

const BF16_BYTES = 2;
const ALIGNMENT = 8;

/** @param dir Must be there. @param tokenizerDir Has the tokenizer.json that the model gets; nothing reads it. */
export function writeDirectory(dir: string, tokenizerDir: string, shape: BenchShape): void {
  writeFileSync(join(dir, 'config.json'), JSON.stringify(shape.config));
  copyFileSync(join(tokenizerDir, 'tokenizer.json'), join(dir, 'tokenizer.json'));
  const parts = partsOf(shape);
  const file = openSync(join(dir, 'model.safetensors'), 'w');
  try {
    let end = 0;
    const entries = parts.map(({ name, shape }) => {
      const begin = end;
      end += sizeOf(shape) * BF16_BYTES;
      return [name, { dtype: 'BF16', shape, data_offsets: [begin, end] }];
    });
    const text = JSON.stringify(Object.fromEntries(entries));
    const header = Buffer.from(text.padEnd(Math.ceil(text.length / ALIGNMENT) * ALIGNMENT));
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(header.byteLength));
    for (const bytes of [size, header]) writeSync(file, bytes);
    for (const part of parts) writeSync(file, weightsOf(part));
  } finally {
    closeSync(file);
  }
}
