// A checkpoint by `npm run quantize` through all processes: the shipped model in W8A8 still does what it was trained for.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { numericPolicyOf, parseModelConfig } from '@switchyard/model';
import { generate, inferenceClient, startSystem, userTurn } from '@switchyard/testkit';
import { expect, test } from 'vitest';
import { REPO_ROOT } from '../framework/use-system.js';

const PROGRAM = join(REPO_ROOT, 'tools/quantize/dist/main.js');
const QUESTIONS: readonly [question: string, answer: string][] = [
  ['What is 12 plus 15?', '12 plus 15 is 27.'],
  ['Count from 3 to 9.', '3, 4, 5, 6, 7, 8, 9.'],
  ['Repeat: red fox blue kite', 'red fox blue kite'],
];

test('a quantised model is served in w8a8 and answers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-quantize-'));
  try {
    const model = join(folder, 'tiny-w8a8');
    const args = [PROGRAM, join(REPO_ROOT, 'models/switchyard-tiny'), '--out', model, '--no-measure'];
    execFileSync(process.execPath, args, { timeout: 30_000 });
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'));
    expect(numericPolicyOf(parseModelConfig(config))).toBe('w8a8');
    const system = await startSystem(REPO_ROOT, { topology: 'full', flags: { model } });
    try {
      const client = inferenceClient(system.grpc);
      for (const [question, answer] of QUESTIONS) {
        const sampling = { temperature: 0 };
        const request = { model: 'tiny-w8a8', input: userTurn(question), sampling, maxTokens: 48 };
        expect((await generate(client, request)).text).toBe(answer);
      }
      client.close();
    } finally {
      await system.stop();
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
