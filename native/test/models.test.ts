// The protocols' models in their small configurations, each model and each mutant as a test of its own.
import { expect, test } from 'vitest';
import { listCases, missingTool, runCase } from './models.mjs';

const missing = missingTool();

for (const one of listCases(true)) {
  test(`model ${one.name}`, { timeout: 120_000 }, async (context) => {
    if (missing) return context.skip(missing);
    const outcome = await runCase(one);
    expect(outcome.ok, outcome.text).toBe(true);
  });
}
