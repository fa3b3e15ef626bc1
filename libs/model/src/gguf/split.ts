// Models that gguf-split cut into several files, NAME-00001-of-00003.gguf and its siblings. The first one holds the metadata.
// Called by libs/model-files, which reads the files. Source: llama.cpp, tools/gguf-split and llama_split_path.
import { ModelError } from '../error.js';
import type { GgufHeader } from './header.js';
import type { MetadataView } from './metadata.js';

const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;
const NUM_PARTS_MAX = 99_999;

/** A name without the ending that a part has. */
export function ggufModelName(file: string): string {
  return PART_NAME.exec(file)?.[1] ?? file.replace(/\.gguf$/, '');
}

/**
 * Names of all files of a model, in order; just `first` where it is whole.
 *
 * @param header That of `first`.
 * @throws ModelError at `split.no` or `split.count` when `first` is not the first part or is called otherwise.
 */
export function ggufPartNames(first: string, header: GgufHeader): string[] {
  const { metadata } = header;
  const count = partCount(metadata);
  if (count === 1) return [first];
  const [, prefix, , total] = PART_NAME.exec(first) ?? [];
  const nameOf = (idx: number, name = prefix) => `${name}-${fiveDigits(idx + 1)}-of-${fiveDigits(count)}.gguf`;
  const no = splitNumber(metadata, 'no', count - 1);
  if (no !== 0) {
    throw new ModelError(`${first}:split.no`, `is ${no}: open the first of the parts, ${nameOf(0, prefix ?? 'NAME')}`);
  }
  if (Number(total) !== count || first !== nameOf(0)) {
    throw new ModelError(`${first}:split.count`, `is ${count}: the file must be called ${nameOf(0, 'NAME')}`);
  }
  return Array.from({ length: count }, (_, idx) => nameOf(idx));
}

/**
 * The parts of a model as one header, with the metadata of the first.
 *
 * @throws ModelError naming file and key of a part that does not belong there, or that holds other tensors than the first says.
 */
export function joinGgufParts(parts: readonly [GgufHeader, ...GgufHeader[]]): GgufHeader {
  const [first] = parts;
  if (parts.length === 1) return first;
  for (const [idx, { metadata }] of parts.entries()) {
    const count = partCount(metadata);
    requireEqual(metadata, 'count', count, parts.length);
    requireEqual(metadata, 'no', splitNumber(metadata, 'no', count - 1), idx);
  }
  const tensors = parts.flatMap((part) => part.tensors);
  const expected = splitNumber(first.metadata, 'tensors.count', Number.MAX_SAFE_INTEGER);
  requireEqual(first.metadata, 'tensors.count', expected, tensors.length);
  return { ...first, tensors };
}

function partCount(metadata: MetadataView): number {
  const count = metadata.number('split.count') ?? 1;
  // gguf-split writes 0 or 1 into what it merged.
  if (Number.isInteger(count) && count >= 0 && count <= NUM_PARTS_MAX) return Math.max(count, 1);
  throw new ModelError(
    `${metadata.file}:split.count`,
    `is ${count}, must be a number of files, at most ${NUM_PARTS_MAX}`,
  );
}

function splitNumber(metadata: MetadataView, name: string, most: number): number {
  const key = `split.${name}`;
  const value = metadata.require(metadata.number(key), key);
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new ModelError(`${metadata.file}:${key}`, `is ${value}, must be a whole number from 0 to ${most}`);
}

function requireEqual(metadata: MetadataView, name: string, value: number, expected: number): void {
  if (value === expected) return;
  throw new ModelError(`${metadata.file}:split.${name}`, `is ${value}, the files have ${expected}`);
}

function fiveDigits(number: number): string {
  return String(number).padStart(5, '0');
}
