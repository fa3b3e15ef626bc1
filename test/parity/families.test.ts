// One answer in every topology for every family; of dense ones, the FFNs are what the expert ranks run. The reference is colocated,
// whole, alone.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceClient, TOPOLOGIES } from '@switchyard/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { testSeed } from '../framework/prng.js';
import { GOLDEN, REPO_ROOT, useSystem } from '../framework/use-system.js';
import { type AnswerRecord, mixedRequests, NUM_REQUESTS, recordOf } from './requests.js';

const SEED = testSeed(20_260_102);
const FIXTURES = join(REPO_ROOT, 'test/fixtures/models');
const families = readdirSync(FIXTURES).filter((family) => existsSync(join(FIXTURES, family, 'config.json')));
const NUM_TOKENIZER_IDS = 128; // fits every family
const dir = mkdtempSync(join(tmpdir(), 'switchyard-families-'));
console.info(`parity of families: TEST_SEED=${SEED}`);

afterAll(() => rmSync(dir, { recursive: true }));

/** A fixture with a tokenizer, which it lacks: single bytes, as many as the model has tokens for. */
function modelOf(family: string): string {
  const model = mkdtempSync(join(dir, `${family}-`));
  for (const file of readdirSync(join(FIXTURES, family), { withFileTypes: true })) {
    if (file.isFile()) symlinkSync(join(FIXTURES, family, file.name), join(model, file.name));
  }
  const tokenizer = JSON.parse(readFileSync(join(FIXTURES, 'tokenizers/gpt2/tokenizer.json'), 'utf8'));
  const isSmall = ([, id]: [string, unknown]) => Number(id) < NUM_TOKENIZER_IDS;
  tokenizer.model.vocab = Object.fromEntries(Object.entries(tokenizer.model.vocab).filter(isSmall));
  tokenizer.model.merges = [];
  tokenizer.added_tokens = [];
  writeFileSync(join(model, 'tokenizer.json'), JSON.stringify(tokenizer));
  return model;
}

describe.each(families)('%s', (family) => {
  const model = modelOf(family);
  const prompts = GOLDEN.map(({ ids }) => ({ ids: ids.map((id) => id % NUM_TOKENIZER_IDS) }));
  const requests = mixedRequests(SEED, prompts, family);
  let reference: AnswerRecord[] = [];

  describe.each(TOPOLOGIES)('%s', (topology) => {
    const isReference = topology === 'colocated';
    const chunks = isReference ? {} : { 'max-prefill-tokens': 16 };
    const at = useSystem({ topology, flags: { model, name: family, ...chunks } });

    test('alone', async () => {
      const client = inferenceClient(at.system.grpc);
      const answers: AnswerRecord[] = [];
      for (const request of requests) answers.push(await recordOf(client, request));
      client.close();
      if (isReference) reference = answers;
      expect(new Set(answers.map((answer) => answer.tokenIds.join())).size).toBeGreaterThan(NUM_REQUESTS / 2);
      expect(answers).toEqual(reference);
    });

    test('in a batch of sixteen', async () => {
      const client = inferenceClient(at.system.grpc);
      const answers = await Promise.all(requests.map((request) => recordOf(client, request)));
      client.close();
      expect(answers).toEqual(reference);
    });
  });
});
