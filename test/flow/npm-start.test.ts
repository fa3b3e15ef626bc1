// `npm start` as a newcomer uses it: it prints the addresses and a sample request that works as it stands, and Ctrl-C leaves
// nothing behind.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startSystem, waitFor, within } from '@switchyard/testkit';
import { expect, test } from 'vitest';
import { needTool } from '../framework/tools.js';
import { GOLDEN, REPO_ROOT } from '../framework/use-system.js';

test('npm start prints a sample request that streams a story', async (context) => {
  needTool(context, 'curl');
  const system = await startSystem(REPO_ROOT, { topology: 'full', byNpm: true });
  try {
    const command = await waitFor('the sample request', 20_000, () => sampleRequest(system.log()));
    expect(system.log()).toContain(String(system.httpPort));
    expect(system.log()).toContain(String(system.grpcPort));
    const { stdout } = await promisify(execFile)('bash', ['-c', command], { timeout: 20_000 });
    expect(stdout).toContain('data: [DONE]');
    expect(stdout.split('\n').filter((line) => line.startsWith('data: ')).length).toBeGreaterThan(10);
  } finally {
    await system.stop();
  }
});

test('Ctrl-C while a story streams ends everything', async () => {
  const system = await startSystem(REPO_ROOT, { topology: 'full', byNpm: true });
  const response = await fetch(`${system.http}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'switchyard-tiny',
      prompt: GOLDEN[0]?.text,
      temperature: 0,
      max_tokens: 64,
      stream: true,
    }),
  });
  const body = response.text().catch(() => 'broken off');
  for (const pid of system.pids()) signalIfThere(pid); // a terminal signals the whole foreground process group
  await system.expectGone(20_000);
  await within('the end of the stream at the client', 2_000, body);
});

/** The shell command that `npm start` proposes, with its continuation lines. */
function sampleRequest(log: string): string | undefined {
  return /curl (?:.*\\\n)*.*/.exec(log)?.[0];
}

function signalIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGINT');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
