// Two seconds of each fuzz target, from its saved seeds.
import { beforeAll, expect, test } from 'vitest';
import { buildTargets, listTargets, missingTool, runTarget } from './fuzz.mjs';

const missing = missingTool();

// Everything is compiled by another compiler and with sanitizers.
beforeAll(() => {
  if (!missing) buildTargets();
}, 600_000);

for (const target of listTargets()) {
  test(target, { timeout: 120_000 }, async (context) => {
    if (missing) return context.skip(missing);
    const outcome = await runTarget(target, { seconds: 2 });
    expect(outcome.ok, outcome.text).toBe(true);
  });
}
