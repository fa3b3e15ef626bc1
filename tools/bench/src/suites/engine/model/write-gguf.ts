// Writes a shape as GGUF: metadata, a tokenizer that llama.cpp accepts, matrices in Q8_0.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { closeSync, openSync, writeSync } from 'node:fs';
import { GgufHeader, type GgufValue } from './gguf-header.js';
import { quantiseQ8 } from './quantise-q8.js';
import { weightsOf, widen } from './random-weights.js';
import { type BenchShape, EOS_TOKEN_ID, type GgufTensor, ggufBytesOf, sizeOf, type TensorPart } from './shape.js';

const ALIGNMENT = 32;

const align = (offset: number) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

export function writeGguf(path: string, shape: BenchShape): void {
  const { tensors } = shape;
  const header = ggufHeaderOf(shape);
  const file = openSync(path, 'w');
  try {
    let at = writeSync(file, header);
    const pad = () => {
      at += writeSync(file, new Uint8Array(align(at) - at));
    };
    for (const tensor of tensors) {
      pad();
      for (const part of tensor.parts) at += writeAll(file, encode(tensor, part));
    }
    pad();
  } finally {
    closeSync(file);
  }
}

/** Everything in front of the tensors' data. */
export function ggufHeaderOf(shape: BenchShape): Uint8Array {
  const { tensors } = shape;
  const entries = Object.entries(metadataOf(shape));
  const header = new GgufHeader(tensors.length, entries.length);
  for (const [key, value] of entries) header.entry(key, value);
  let offset = 0;
  for (const tensor of tensors) {
    header.tensor(tensor.name, tensor.dtype, tensor.shape, offset);
    offset = align(offset + ggufBytesOf(tensor));
  }
  return header.finish();
}

function metadataOf({ architecture, metadata, vocabSize }: BenchShape): Record<string, GgufValue> {
  const own = Object.entries(metadata).map(([key, value]) => [`${architecture}.${key}`, value]);
  return {
    'general.architecture': architecture,
    'general.alignment': ALIGNMENT,
    ...Object.fromEntries(own),
    ...tokenizerOf(vocabSize),
  };
}

const NORMAL = 1;
const CONTROL = 3;

/** Byte-level BPE: two control tokens, the 256 bytes, one merge, and tokens that no text has. */
function tokenizerOf(vocabSize: number): Record<string, GgufValue> {
  const marks = ['<bos>', '<eos>'];
  const known = [...marks, ...byteTokens(), 'ab'];
  const tokens = [...known, ...Array.from({ length: vocabSize - known.length }, (_, i) => `unused${i}`)];
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'gpt-2',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': tokens.map((token) => (marks.includes(token) ? CONTROL : NORMAL)),
    'tokenizer.ggml.merges': ['a b'],
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': EOS_TOKEN_ID,
    'tokenizer.ggml.add_bos_token': false,
  };
}

/** The characters that stand for the bytes: printable ones for themselves, the others from U+0100 on. Source: GPT-2's encoder.py. */
function byteTokens(): string[] {
  const isPrintable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let numOthers = 0;
  return Array.from({ length: 256 }, (_, byte) => {
    if (isPrintable(byte)) return String.fromCharCode(byte);
    numOthers += 1;
    return String.fromCharCode(0xff + numOthers);
  });
}

function encode({ dtype, shape, parts, indexOf }: GgufTensor, part: TensorPart): Uint8Array {
  const all = widen(weightsOf(part));
  const values = indexOf === undefined ? all : gather(all, sizeOf(shape) / parts.length, indexOf);
  return dtype === 'Q8_0' ? quantiseQ8(values) : new Uint8Array(values.buffer);
}

function gather(from: Float32Array, size: number, indexOf: (i: number) => number): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) values[i] = from[indexOf(i)] as number;
  return values;
}

function writeAll(file: number, bytes: Uint8Array): number {
  let done = 0;
  while (done < bytes.byteLength) done += writeSync(file, bytes, done);
  return done;
}
