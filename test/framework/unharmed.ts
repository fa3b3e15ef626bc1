// After bad input the system must be what it was: the same processes, and the right answer to a good request.
import { generate, inferenceClient, type System, visibleText } from '@switchyard/testkit';
import { expect } from 'vitest';
import { GOLDEN, MODEL } from './use-system.js';

/** Fails unless every member still is the process it was in `before` and a golden row is answered. */
export async function expectUnharmed(system: System, before: ReadonlyMap<string, number>): Promise<void> {
  expect(system.members()).toEqual(before);
  const row = GOLDEN[1];
  if (row === undefined) throw new Error('the golden file has too few rows');
  const client = inferenceClient(system.grpc);
  const input = { $case: 'tokens' as const, value: { tokenIds: row.ids } };
  const answer = await generate(client, { model: MODEL, input, sampling: { temperature: 0 }, maxTokens: 64 });
  client.close();
  expect(answer.text).toBe(visibleText(row));
}
