// Cuts a checkpoint into safetensors files and lays their tensors out. Pure. Called by write-checkpoint.ts.
// Format: https://huggingface.co/docs/safetensors (8 bytes little-endian header size, JSON header, tensor data).
import { dtypeLayout } from '@switchyard/model';
import type { Conversion, OutputTensor } from './conversion.js';

/** A tensor and where in its file it goes. */
export interface PlacedTensor extends OutputTensor {
  offset: number;
}

export interface Shard {
  file: string;
  conversions: Conversion[];
  /** Size field and header. */
  header: Uint8Array;
  nameToTensor: Map<string, PlacedTensor>;
  bytes: number;
}

const PREFIX_BYTES = 8;

/** Files of at most that many bytes of tensors, but for one that holds a single larger tensor. */
export function cutShards(conversions: readonly Conversion[], maxBytes: number): Shard[] {
  const parts: Conversion[][] = [];
  let left = 0;
  for (const conversion of conversions) {
    const bytes = bytesOf(conversion.outputs);
    if (parts.length === 0 || bytes > left) {
      parts.push([]);
      left = maxBytes;
    }
    parts.at(-1)?.push(conversion);
    left -= bytes;
  }
  return parts.map((part, i) => layOut(part, fileName(i, parts.length)));
}

/** The file model.safetensors.index.json; null for a checkpoint in one file, which has none. */
export function indexOf(shards: readonly Shard[]): object | null {
  if (shards.length === 1) return null;
  const placed = shards.flatMap(({ file, nameToTensor }) =>
    [...nameToTensor.keys()].map((name) => [name, file] as const),
  );
  const total = shards.reduce((sum, { nameToTensor }) => sum + bytesOf([...nameToTensor.values()]), 0);
  return { metadata: { total_size: total }, weight_map: Object.fromEntries(placed.sort(byName)) };
}

/** Wide types come first, so that every tensor is aligned to its elements, as readers that map the file need it. */
function layOut(conversions: Conversion[], file: string): Shard {
  const width = ({ dtype }: OutputTensor) => dtypeLayout(dtype).blockBytes;
  const outputs = conversions.flatMap((conversion) => [...conversion.outputs]).sort((a, b) => width(b) - width(a));
  const entries: Record<string, object> = { __metadata__: { format: 'pt' } };
  let end = 0;
  for (const { name, dtype, shape, bytes } of outputs) {
    entries[name] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const header = headerOf(entries);
  const nameToTensor = new Map<string, PlacedTensor>();
  let offset = header.byteLength;
  for (const output of outputs) {
    nameToTensor.set(output.name, { ...output, offset });
    offset += output.bytes;
  }
  return { file, conversions, header, nameToTensor, bytes: offset };
}

function headerOf(entries: object): Uint8Array {
  const json = Buffer.from(JSON.stringify(entries));
  const headerBytes = Math.ceil(json.byteLength / 8) * 8;
  const header = Buffer.alloc(PREFIX_BYTES + headerBytes, ' ');
  header.writeBigUInt64LE(BigInt(headerBytes));
  json.copy(header, PREFIX_BYTES);
  return header;
}

function fileName(i: number, count: number): string {
  const five = (n: number) => String(n).padStart(5, '0');
  return count === 1 ? 'model.safetensors' : `model-${five(i + 1)}-of-${five(count)}.safetensors`;
}

const bytesOf = (tensors: readonly OutputTensor[]) => tensors.reduce((sum, { bytes }) => sum + bytes, 0);
const byName = ([a]: readonly [string, string], [b]: readonly [string, string]) => (a < b ? -1 : 1);
