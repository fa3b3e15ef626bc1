// Which machine and which commit a report is about.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** Processor's name and number of logical cores, for example "AMD EPYC 7B13, 2 cores, Node 20.20.2". */
export function describeMachine(): string {
  const cores = cpus();
  return `${cores[0]?.model.trim() ?? 'unknown processor'}, ${cores.length} cores, Node ${process.versions.node}`;
}

/** Abbreviated commit of the working tree, with "+" when it holds changes; "unknown" outside a clone. */
export function describeCommit(repoRoot: string): string {
  try {
    const git = (...args: string[]) => execFileSync('git', args, { cwd: repoRoot, encoding: 'utf8' }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain') === '' ? '' : '+');
  } catch {
    return 'unknown';
  }
}
