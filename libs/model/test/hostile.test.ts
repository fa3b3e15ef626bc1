// Damaged files: whatever is done to the shipped model's header and configuration, the answer is a value or a ModelError.
import { SeededRandom } from '@switchyard/base';
import { expect, test } from 'vitest';
import { ModelError, makeWeightPlan, parseModelConfig, parseSafetensorsHeader } from '../src/index.js';
import { headerOf, tinyConfig, tinyHeader } from './tiny.js';

const SEED = Number(process.env.SWITCHYARD_TEST_SEED ?? 20_250_117);
const NUM_MUTATIONS = 400;

// biome-ignore format: odds and ends, one a line would say no more
const hostileValues: unknown[] = [
  null, true, '', 'x', -1, 0, 1.5, 3, 2 ** 31, 2 ** 53, 1e308, [], {}, [[]], [0, 2 ** 53], ['a'], { a: {} },
];

/** Runs a parser; true when it parsed, false when it refused with a field. */
function survives(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(ModelError);
    expect((error as ModelError).field).not.toBe('');
    return false;
  }
}

test(`bytes of the header changed, cut and doubled (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED);
  const { bytes, fileBytes } = tinyHeader();
  let numRefused = 0;
  for (let i = 0; i < NUM_MUTATIONS / 4; i++) {
    const mutated = bytes.slice(0, random.below(8) === 0 ? random.below(bytes.byteLength) : bytes.byteLength);
    for (let k = random.below(4); k >= 0; k--) mutated[random.below(mutated.byteLength)] = random.below(256);
    if (!survives(() => parseSafetensorsHeader(mutated, fileBytes, 'model.safetensors'))) numRefused++;
  }
  expect(numRefused).toBeGreaterThan(0);
});

test(`entries of the header replaced (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED + 1);
  const spec = parseModelConfig(tinyConfig());
  const { bytes } = tinyHeader();
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8)));
  const dataBytes = 16_941_184;
  const names = Object.keys(header);
  for (let i = 0; i < NUM_MUTATIONS / 4; i++) {
    const name = random.pick(names);
    const field = random.pick(['dtype', 'shape', 'data_offsets', 'extra']);
    const entry =
      random.below(8) === 0 ? random.pick(hostileValues) : { ...header[name], [field]: random.pick(hostileValues) };
    const mutated = headerOf(JSON.stringify({ ...header, [name]: entry }));
    const parse = () =>
      makeWeightPlan(spec, parseSafetensorsHeader(mutated, mutated.byteLength + dataBytes, 'model.safetensors'), 'd');
    const isHarmless = field === 'extra' || name === '__metadata__';
    if (survives(parse)) expect(isHarmless, `${name}.${field} of mutation ${i}`).toBe(true);
  }
});

test(`fields of the configuration replaced (SWITCHYARD_TEST_SEED=${SEED})`, () => {
  const random = new SeededRandom(SEED + 2);
  const fields = Object.keys(tinyConfig());
  let numRefused = 0;
  for (let i = 0; i < NUM_MUTATIONS; i++) {
    const config = tinyConfig();
    for (let k = random.below(3); k >= 0; k--) config[random.pick(fields)] = random.pick(hostileValues);
    if (!survives(() => checkPossible(config))) numRefused++;
  }
  expect(numRefused).toBeGreaterThan(NUM_MUTATIONS / 2);
});

/** Parses, and holds the result to what the executor relies on. */
function checkPossible(config: unknown): void {
  const spec = parseModelConfig(config);
  const counts = Object.entries(spec).filter(([name, value]) => name.startsWith('num') && typeof value === 'number');
  for (const [name, value] of counts) expect(Number.isInteger(value) && (value as number) >= 0, name).toBe(true);
  expect(spec.numHeads % spec.numSlices).toBe(0);
  expect(spec.numExperts % spec.numExpertGroups).toBe(0);
  expect(spec.numExpertsPerToken).toBeLessThanOrEqual((spec.numTopkGroups * spec.numExperts) / spec.numExpertGroups);
  expect(spec.eosTokenIds.every((id) => id < spec.vocabSize)).toBe(true);
}
