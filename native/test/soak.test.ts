// A short kill soak: 20 kills under random traffic. SWITCHYARD_TEST_SEED is its seed.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { buildSoak } from './soak.mjs';

test('xccl survives 20 kills at random points', { timeout: 300_000 }, async () => {
  const args = ['--kills', '20', '--seed', process.env.SWITCHYARD_TEST_SEED ?? '1'];
  const outcome = await promisify(execFile)(buildSoak(), args, { timeout: 120_000 }).then(
    (done) => ({ ok: true, output: done.stdout }),
    (error: { stdout?: string; message: string }) => ({ ok: false, output: `${error.stdout ?? ''}${error.message}` }),
  );
  expect(outcome.ok, outcome.output).toBe(true);
  expect(outcome.output).toMatch(/^kills: 20$/m);
});
