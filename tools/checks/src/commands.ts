// The static checks as one table: what `npm run verify` runs, and beside it what `npm run fix` runs for the same rule.
// Programs come from the lockfile (node_modules/.bin); arguments never go through a shell.
import { listFiles } from './source-tree.js';

export interface Check {
  name: string;
  /** Program and arguments that fail on a violation and write nothing. */
  verify: readonly string[];
  /** Program and arguments that write the tree so that `verify` passes, where a machine can. */
  fix?: readonly string[];
}

/**
 * `root` is the repository's absolute path; `protoBaseline` the commit whose protos must stay readable, null where the
 * clone has none.
 */
export function listCommands(root: string, protoBaseline: string | null): Check[] {
  const native = listFiles(root, 'native', ['.h', '.cc']);
  return [
    {
      name: 'format and lint of TypeScript',
      verify: ['biome', 'check', '--error-on-warnings', '.'],
      fix: ['biome', 'check', '--write', '.'],
    },
    { name: 'proto lint', verify: ['buf', 'lint'] },
    { name: 'proto format', verify: ['buf', 'format', '-d', '--exit-code'], fix: ['buf', 'format', '-w'] },
    ...(protoBaseline === null ? [] : [breakingCheck(protoBaseline)]),
    {
      name: 'format of C++',
      verify: ['clang-format', '--dry-run', '-Werror', ...native],
      fix: ['clang-format', '-i', ...native],
    },
    {
      name: 'docs/env.md and the known variables',
      verify: ['node', 'tools/docs/env.mjs', '--check'],
      fix: ['node', 'tools/docs/env.mjs'],
    },
    { name: 'types of the set-up and test scripts', verify: ['tsc', '-p', 'tools/tsconfig.json'] },
    {
      name: 'types of all projects',
      verify: ['nx', 'run-many', '-t', 'typecheck', '--excludeTaskDependencies', '--outputStyle=static-failures-only'],
    },
  ];
}

function breakingCheck(baseline: string): Check {
  return {
    name: `proto compatibility with ${baseline}`,
    verify: ['buf', 'breaking', '--against', `.git#ref=${baseline}`],
  };
}
