// One answer in every topology for every family, and in the policies w8a8 (both kinds of attention and a dense model), block-a8 and bf16. Of
// dense ones, the FFNs are what the expert ranks run. The reference is colocated, whole, alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inferenceClient, TOPOLOGIES } from '@switchyard/testkit';
import { afterAll, describe, expect, test } from 'vitest';
import { FAMILIES, fixtureModel, NUM_TOKENIZER_IDS } from '../framework/fixture-models.js';
import { testSeed } from '../framework/prng.js';
import { GOLDEN, useSystem } from '../framework/use-system.js';
import { type AnswerRecord, mixedRequests, NUM_REQUESTS, recordOf } from './requests.js';

const SEED = testSeed(20_260_102);
const dir = mkdtempSync(join(tmpdir(), 'switchyard-families-'));
console.info(`parity of families: TEST_SEED=${SEED}`);

afterAll(() => rmSync(dir, { recursive: true }));

const W8A8 = ['qwen3-moe/w8a8', 'deepseek-v3/w8a8', 'llama/w8a8'];

describe.each([...FAMILIES, ...W8A8, 'gguf/deepseek2', 'qwen3-moe in bf16'])('%s', (title) => {
  const [fixture = title, policy = 'auto'] = title.split(' in ');
  const name = title.replace(/[ /]/g, '-');
  const model = fixtureModel(dir, fixture, name);
  const prompts = GOLDEN.map(({ ids }) => ({ ids: ids.map((id) => id % NUM_TOKENIZER_IDS) }));
  const requests = mixedRequests(SEED, prompts, name);
  let reference: AnswerRecord[] = [];

  describe.each(TOPOLOGIES)('%s', (topology) => {
    const isReference = topology === 'colocated';
    const chunks = isReference ? {} : { 'max-prefill-tokens': 16 };
    const at = useSystem({ topology, flags: { model, name, policy, ...chunks } });

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
