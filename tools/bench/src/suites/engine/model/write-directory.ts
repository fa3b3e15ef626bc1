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
  const file = openSync(join(dir, 'model.safetensors'), 'w');
  try {
    writeSync(file, safetensorsHeaderOf(shape));
    for (const part of partsOf(shape)) writeSync(file, weightsOf(part));
  } finally {
    closeSync(file);
  }
}

/** Everything in front of the tensors' data: the length of the table, then the table. */
export function safetensorsHeaderOf(shape: BenchShape): Uint8Array {
  let end = 0;
  const entries = partsOf(shape).map(({ name, shape }) => {
    const begin = end;
    end += sizeOf(shape) * BF16_BYTES;
    return [name, { dtype: 'BF16', shape, data_offsets: [begin, end] }];
  });
  const text = JSON.stringify(Object.fromEntries(entries));
  const table = Buffer.from(text.padEnd(Math.ceil(text.length / ALIGNMENT) * ALIGNMENT));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(table.byteLength));
  return Buffer.concat([size, table]);
}
