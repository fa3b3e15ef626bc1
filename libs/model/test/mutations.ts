// Damage for files that this library reads: bytes and fields of good ones, changed at random. What a reader makes of it is a
// value or a ModelError, whatever it is. Used by hostile tests, and by the soak with as many inputs as it is given.
import type { SeededRandom } from '@switchyard/base';
import {
  ModelError,
  makeWeightPlan,
  parseModelConfig,
  parseSafetensorsHeader,
  readGgufHeader,
  readGgufModel,
} from '../src/index.js';
import { fillTemplate, listTensors } from '../src/tensor-list.js';
import { configs } from './families.js';
import { type GgufFile, ggufFile, sourceOf } from './gguf-file.js';
import { ggufFamilies, ggufModel } from './gguf-models.js';
import { headerOf } from './tiny.js';

/** Reads one damaged input. @throws whatever its reader throws. */
export type Attempt = (random: SeededRandom) => void;

// biome-ignore format: odds and ends, one a line would say no more
const hostileValues: readonly unknown[] = [
  null, true, '', 'x', -1, 0, 1.5, 3, 2 ** 31, 2 ** 53, 1e308, [], {}, [[]], [0, 2 ** 53], ['a'], { a: {} }, 'yarn',
];
/** Whole numbers that counts and lengths of binary files go wrong with. */
const hostileNumbers = [0n, 1n, 255n, 2n ** 16n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];

/** One attempt for each reader, by name. */
export function attempts(): Record<string, Attempt> {
  const configList = Object.values(configs());
  const ggufFiles = ggufFamilies.map((name) => {
    const { metadata, tensors } = ggufModel(name);
    return ggufFile(metadata, tensors);
  });
  const safetensors = safetensorsHeader();
  return {
    'config.json': (random) => parseModelConfig(damageFields(random, random.pick(configList))),
    safetensors: (random) => readSafetensors(damageBytes(random, safetensors)),
    gguf: (random) => readGguf(damageBytes(random, random.pick(ggufFiles))),
  };
}

/** Whether an attempt was refused as it has to be. @throws what is not a ModelError, which is a bug. */
export function isRefused(attempt: Attempt, random: SeededRandom): boolean {
  try {
    attempt(random);
    return false;
  } catch (error) {
    if (error instanceof ModelError && error.field !== '') return true;
    throw error;
  }
}

function damageFields(random: SeededRandom, config: Record<string, unknown>): Record<string, unknown> {
  const damaged = structuredClone(config);
  for (let i = random.below(3); i >= 0; i--) damageField(random, damaged);
  return damaged;
}

/** Goes down into an object now and then, so that nested settings are met too. */
function damageField(random: SeededRandom, object: Record<string, unknown>): void {
  const field = random.pick(Object.keys(object));
  const value = object[field];
  const isNested =
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
  if (isNested && random.below(4) > 0) damageField(random, value as Record<string, unknown>);
  else object[field] = structuredClone(random.pick(hostileValues));
}

function damageBytes(random: SeededRandom, { header, fileBytes }: GgufFile): GgufFile {
  const bytes = header.slice();
  const view = new DataView(bytes.buffer);
  for (let i = random.below(4); i >= 0; i--) {
    const at = random.below(bytes.byteLength);
    if (random.below(3) === 0 && at + 8 <= bytes.byteLength) view.setBigUint64(at, random.pick(hostileNumbers), true);
    else bytes[at] = random.below(256);
  }
  if (random.below(8) > 0) return { header: bytes, fileBytes };
  const cut = random.below(bytes.byteLength);
  return { header: bytes.subarray(0, cut), fileBytes: random.below(2) === 0 ? cut : fileBytes };
}

function readGguf(file: GgufFile): void {
  readGgufModel(readGgufHeader(sourceOf(file)), 'd');
}

function readSafetensors({ header, fileBytes }: GgufFile): void {
  const tensors = parseSafetensorsHeader(header, fileBytes, 'model.safetensors');
  makeWeightPlan(parseModelConfig(configs().qwen2), tensors, 'd');
}

/** The header of a whole model, with a note that damage does not change the meaning of. */
function safetensorsHeader(): GgufFile {
  const entries: Record<string, unknown> = { __metadata__: { format: 'pt', note: 'x'.repeat(2000) } };
  let end = 0;
  for (const expected of listTensors(parseModelConfig(configs().qwen2))) {
    const bytes = expected.shape.reduce((product, dim) => product * dim, 2);
    const name = fillTemplate(expected.template, expected);
    entries[name] = { dtype: 'BF16', shape: expected.shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const header = headerOf(JSON.stringify(entries));
  return { header, fileBytes: header.byteLength + end };
}
