// Which commit the protos are compared with. A released contract is a tag v*; before the first release it is main, so that
// a branch sees what it breaks. Called by verify.ts.
import { spawnSync } from 'node:child_process';

/**
 * The newest release tag below HEAD, else the commit where HEAD left main; null in a clone that knows neither (a shallow
 * one, or none of git's). `root` is the repository's absolute path.
 */
export function findProtoBaseline(root: string): string | null {
  return (
    git(root, 'describe', '--tags', '--abbrev=0', '--match', 'v*') ??
    git(root, 'merge-base', 'HEAD', 'origin/main') ??
    git(root, 'merge-base', 'HEAD', 'main')
  );
}

function git(root: string, ...args: string[]): string | null {
  const result = spawnSync('git', args, { cwd: root, encoding: 'utf8', timeout: 10_000 });
  return result.status === 0 ? result.stdout.trim() : null;
}
