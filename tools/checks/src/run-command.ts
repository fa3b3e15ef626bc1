// Runs one row of the table in commands.ts with the programs of the lockfile. Called by verify.ts and fix.ts.
import { spawnSync } from 'node:child_process';
import { delimiter, join } from 'node:path';

const deadlineMs = 600_000;

export interface Outcome {
  ok: boolean;
  /** Both streams, whole; also says so when the program could not be started or ran past its deadline. */
  output: string;
}

/** `root` is the repository's absolute path, where the command runs. */
export function runCommand(root: string, [program, ...args]: readonly string[]): Outcome {
  const path = [join(root, 'node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter);
  const result = spawnSync(program as string, args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: path },
    maxBuffer: 64 << 20,
    timeout: deadlineMs,
  });
  const problem = result.error ? `${program}: ${result.error.message}\n` : '';
  return { ok: result.status === 0, output: `${result.stdout ?? ''}${result.stderr ?? ''}${problem}` };
}
