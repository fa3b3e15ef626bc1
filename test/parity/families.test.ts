// One answer in every topology for models of other families: grouped queries in a sliding window with experts in every layer, and a
// dense model, whose FFNs are what the expert ranks run. The reference is colocated, whole, alone.
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceClient, TOPOLOGIES } from '@switchyard/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { testSeed } from '../framework/prng.js';
import { GOLDEN, REPO_ROOT, useSystem } from '../framework/use-system.js';
import { type AnswerRecord, mixedRequests, NUM_REQUESTS, recordOf } from './requests.js';

const SEED = testSeed(20_260_102);
const FIXTURES = join(REPO_ROOT, 'test/fixtures/models');
const NUM_TOKENIZER_IDS = 577;
const dir = mkdtempSync(join(tmpdir(), 'switchyard-families-'));
console.info(`parity of families: TEST_SEED=${SEED}`);

afterAll(() => rmSync(dir, { recursive: true }));

/** A fixture with a tokenizer, which it lacks. */
function modelOf(family: string): string {
  const model = mkdtempSync(join(dir, `${family}-`));
  for (const file of ['config.json', 'model.safetensors']) {
    symlinkSync(join(FIXTURES, family, file), join(model, file));
  }
  copyFileSync(join(FIXTURES, 'tokenizers/gpt2/tokenizer.json'), join(model, 'tokenizer.json'));
  return model;
}

describe.each(['mixtral', 'llama'])('%s', (family) => {
  const model = modelOf(family);
  const prompts = GOLDEN.map(({ ids }) => ({ ids: ids.map((id) => id % NUM_TOKENIZER_IDS) }));
  const requests = mixedRequests(SEED, prompts, family);
  let reference: AnswerRecord[] = [];

  describe.each(TOPOLOGIES)('%s', (topology) => {
    const isReference = topology === 'colocated';
    const chunks = isReference ? {} : { 'max-prefill-tokens': 16 };
    const at = useSystem({ topology, flags: { model, 'model-name': family, ...chunks } });

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
