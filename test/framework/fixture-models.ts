// Tiny checkpoints of test/fixtures/models as models that can be served: a fixture has no tokenizer, so it is given one.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPO_ROOT } from './use-system.js';

const FIXTURES = join(REPO_ROOT, 'test/fixtures/models');
const WEIGHTS = 'model.safetensors';
/** Ids that the tokenizer knows; fits every family. */
export const NUM_TOKENIZER_IDS = 128;
/** Families that have a fixture. */
export const FAMILIES = readdirSync(FIXTURES).filter((family) => existsSync(join(FIXTURES, family, 'config.json')));

/** Makes `family` a model in the new folder `<dir>/<name>`, which it returns; of a GGUF fixture, which has a tokenizer, its file. */
export function fixtureModel(dir: string, family: string, name = family): string {
  const gguf = join(FIXTURES, family, 'model.gguf');
  if (existsSync(gguf)) return gguf;
  const model = join(dir, name);
  mkdirSync(model);
  for (const file of readdirSync(join(FIXTURES, family), { withFileTypes: true })) {
    if (file.isFile()) symlinkSync(join(FIXTURES, family, file.name), join(model, file.name));
  }
  writeFileSync(join(model, 'tokenizer.json'), JSON.stringify(byteTokenizer()));
  return model;
}

/**
 * The same as if it had been trained again: every other weight has the other sign. Sizes and header are those of fixtureModel, and
 * so is the digest of the description; the answers are not. Throws for weights that are not all bf16.
 */
export function retrainedFixtureModel(dir: string, family: string, name: string): string {
  const model = fixtureModel(dir, family, name);
  const weights = join(model, WEIGHTS);
  const bytes = readFileSync(weights);
  const dataOffset = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes.toString('utf8', 8, dataOffset);
  if (/"dtype":"(?!BF16")/.test(header)) throw new Error(`${family} has weights that are not bf16`);
  // The sign is the highest bit of the second byte.
  for (let offset = dataOffset + 1; offset < bytes.length; offset += 4) {
    bytes.writeUInt8(bytes.readUInt8(offset) ^ 0x80, offset);
  }
  rmSync(weights); // the link, or the fixture itself would be written
  writeFileSync(weights, bytes);
  return model;
}

/** A tokenizer of single bytes. */
function byteTokenizer(): object {
  const tokenizer = JSON.parse(readFileSync(join(FIXTURES, 'tokenizers/gpt2/tokenizer.json'), 'utf8'));
  const isSmall = ([, id]: [string, unknown]) => Number(id) < NUM_TOKENIZER_IDS;
  const vocab = Object.fromEntries(Object.entries(tokenizer.model.vocab).filter(isSmall));
  return { ...tokenizer, model: { ...tokenizer.model, vocab, merges: [] }, added_tokens: [] };
}
