// A short kill soak: 20 kills under random traffic and in pods, SWITCHYARD_TEST_SEED is its seed; and some that are interrupted.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { buildSoak } from './soak.mjs';

test('xccl survives 20 kills at random points', { timeout: 300_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'soak-'));
  const json = join(folder, 'report.json');
  const args = ['--kills', '20', '--seed', process.env.SWITCHYARD_TEST_SEED ?? '1', '--json', json];
  try {
    const outcome = await promisify(execFile)(buildSoak(), args, { timeout: 120_000 }).then(
      (done) => ({ ok: true, output: done.stdout }),
      (error: { stdout?: string; message: string }) => ({ ok: false, output: `${error.stdout ?? ''}${error.message}` }),
    );
    expect(outcome.ok, outcome.output).toBe(true);
    expect(outcome.output).toMatch(/^kills: 20$/m);
    const report = JSON.parse(readFileSync(json, 'utf8'));
    expect(report).toMatchObject({ suite: 'soak', kills: 20, failures: 0 });
    const kinds = ['direct dataflow', 'trampoline dataflow', 'direct barrier', 'trampoline barrier'];
    const cases = ['get', 'exchange', 'message', 'group', ...kinds.map((kind) => `pods ${kind}`)];
    expect(report.rows.map((row: { case: string }) => row.case)).toEqual(cases);
    for (const row of report.rows) expect(row.checked, row.case).toBeGreaterThan(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
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

for (const { signal, only } of [
  { signal: 'SIGINT', only: 'traffic' },
  { signal: 'SIGTERM', only: 'traffic' },
  { signal: 'SIGINT', only: 'pods' },
] as const) {
  test(`a soak of ${only} that ${signal} interrupts leaves neither ranks nor folders behind`, {
    timeout: 300_000,
  }, async () => {
    buildSoak();
    const folder = mkdtempSync(join(tmpdir(), 'soak-'));
    const seed = `${process.pid}${constants.signals[signal]}`;
    const script = fileURLToPath(new URL('./soak.mjs', import.meta.url));
    const args = [script, 'xccl', '--kills', '100000', '--only', only, '--seed', seed];
    const soak = spawn(process.execPath, args, { stdio: 'pipe', env: { ...process.env, TMPDIR: folder } });
    const ended = once(soak, 'exit');
    let output = '';
    for (const stream of [soak.stdout, soak.stderr]) {
      stream.on('data', (text) => {
        output += text;
      });
    }
    const ours = () => commandLines().filter((line) => line.includes(`--seed ${seed}`));
    try {
      // This program, the supervisor and at least one rank, which has a socket.
      await expect.poll(() => ours().length, { timeout: 60_000 }).toBeGreaterThan(2);
      await expect.poll(() => readdirSync(folder, { recursive: true }).length, { timeout: 60_000 }).toBeGreaterThan(1);
    } finally {
      soak.kill(signal);
    }
    expect((await ended)[0], output).toBe(128 + constants.signals[signal]);
    expect(readdirSync(folder)).toEqual([]);
    rmdirSync(folder);
    expect(ours()).toEqual([]);
  });
}
