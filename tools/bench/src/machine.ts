// Which machine and which commit a report is about.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Processor's name and number of logical cores, for example "AMD EPYC 7B13, 2 cores, Node 20.20.2". */
export function describeMachine(): string {
  const cores = cpus();
  return `${cores[0]?.model.trim() ?? 'unknown processor'}, ${cores.length} cores, Node ${process.versions.node}`;
}

/** The cores that this process may use, ascending. */
export const allowedCores = (): number[] => parseCoreList(readFileSync('/proc/self/status', 'utf8'));

/** The cores in a line such as "Cpus_allowed_list: 0-3,8". */
export function parseCoreList(status: string): number[] {
  const ranges = status.match(/^Cpus_allowed_list:\s*(\S+)/m)?.[1]?.split(',') ?? [];
  return ranges.flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
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
