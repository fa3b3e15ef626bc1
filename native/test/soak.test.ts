// A short kill soak: 20 kills under random traffic, SWITCHYARD_TEST_SEED is its seed; and one that is interrupted.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
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

/** Command lines of all processes of this machine. */
const commandLines = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        return ''; // the process ended meanwhile
      }
    });

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`a soak that ${signal} interrupts leaves neither ranks nor its folder behind`, {
    timeout: 300_000,
  }, async () => {
    buildSoak();
    const seed = `${process.pid}${constants.signals[signal]}`;
    const script = fileURLToPath(new URL('./soak.mjs', import.meta.url));
    const soak = spawn(process.execPath, [script, 'xccl', '--kills', '100000', '--seed', seed], { stdio: 'pipe' });
    const ended = once(soak, 'exit');
    let output = '';
    soak.stderr.on('data', (text) => {
      output += text;
    });
    const folder = await new Promise<string>((resolve, reject) => {
      soak.stdout.on('data', (text) => {
        output += text;
        const found = output.match(/ranks in (\S+)\n/)?.[1];
        if (found) resolve(found);
      });
      ended.then(() => reject(new Error(output)));
    });
    const ours = () => commandLines().filter((line) => line.includes(`--seed ${seed}`));
    try {
      // This program, the supervisor and at least one rank.
      await expect.poll(() => ours().length, { timeout: 60_000 }).toBeGreaterThan(2);
    } finally {
      soak.kill(signal);
    }
    expect((await ended)[0], output).toBe(128 + constants.signals[signal]);
    expect(existsSync(folder)).toBe(false);
    expect(ours()).toEqual([]);
  });
}
