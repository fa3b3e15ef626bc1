// Runs every native test case as a test of its own, so that its name and its output stand in the report.
import { execFile, execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const binary = fileURLToPath(new URL('../build/release/native_tests', import.meta.url));
const names = execFileSync(binary, ['--list'], { encoding: 'utf8' }).trim().split('\n');

for (const name of names) {
  test(name, async () => {
    const outcome = await promisify(execFile)(binary, [name], { timeout: 60_000 }).then(
      (done) => ({ ok: true, output: done.stdout }),
      (error: { stdout?: string; message: string }) => ({ ok: false, output: `${error.stdout ?? ''}${error.message}` }),
    );
    expect(outcome.ok, outcome.output).toBe(true);
  }, 70_000);
}
