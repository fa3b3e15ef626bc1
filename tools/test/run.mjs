// `npm test [-- PROJECT...]`: runs the tests of all (or the named) projects through nx, lists what was skipped and why,
// and ends with the line 'N passed, N failed[, N skipped]'. A cached project counts with the results of its last run.
// Exits 1 when anything failed or a project left no counts.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listProjects } from '../setup/workspaces.mjs';
import { addCounts, formatCounts, readCounts } from './counts.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const systemTests = '@switchyard/system-tests';

/**
 * @typedef {import('../setup/workspaces.mjs').Project} Project
 * @typedef {import('./counts.mjs').Counts} Counts
 */

/**
 * @param {string[]} wanted package names, short names or folders; empty for all
 * @returns {Project[]}
 */
function chooseProjects(wanted) {
  const testable = listProjects(root).filter((project) => project.scripts.test);
  const namesOf = (/** @type {Project} */ project) => [
    project.name,
    project.name.replace('@switchyard/', ''),
    project.dir,
  ];
  const unknown = wanted.filter((name) => !testable.some((project) => namesOf(project).includes(name)));
  if (unknown.length > 0) {
    console.error(`unknown project ${unknown.join(', ')}; known: ${testable.map((p) => p.name).join(', ')}`);
    process.exit(2);
  }
  return wanted.length === 0 ? testable : testable.filter((p) => namesOf(p).some((name) => wanted.includes(name)));
}

/**
 * @param {Project[]} projects
 * @param {number} parallel how many projects run at a time
 * @returns {boolean} whether nx reports success
 */
function runNx(projects, parallel) {
  if (projects.length === 0) return true;
  const names = projects.map((project) => project.name).join(',');
  const args = ['run-many', '-t', 'test', '-p', names, `--parallel=${parallel}`];
  // The tree has just been built by tools/setup/ensure.mjs; building again would only copy outputs back from the cache.
  args.push('--excludeTaskDependencies', '--outputStyle=static-failures-only');
  return spawnSync(join(root, 'node_modules', '.bin', 'nx'), args, { cwd: root, stdio: 'inherit' }).status === 0;
}

/** @param {Project[]} projects */
function runAll(projects) {
  for (const dir of ['.', ...projects.map((project) => project.dir)]) {
    rmSync(join(root, dir, '.vitest-results'), { recursive: true, force: true });
  }
  // System tests spawn whole clusters and measure deadlines, so nothing else runs beside them.
  const others = runNx(
    projects.filter((project) => project.name !== systemTests),
    2,
  );
  const system = runNx(
    projects.filter((project) => project.name === systemTests),
    1,
  );
  return others && system;
}

/**
 * @param {Counts} total
 * @param {string[]} problems
 */
function report(total, problems) {
  for (const skip of total.skips) console.log(`skipped: ${skip.test} (${skip.reason || 'no reason given'})`);
  for (const problem of problems) console.error(problem);
  mkdirSync(join(root, '.vitest-results'), { recursive: true });
  writeFileSync(join(root, '.vitest-results', 'total.json'), `${JSON.stringify(total, null, 2)}\n`);
  console.log(formatCounts(total));
}

function main() {
  const projects = chooseProjects(process.argv.slice(2));
  const succeeded = runAll(projects);
  const results = projects.map((project) => readCounts(root, project.dir));
  const total = addCounts(results.map((result) => result.counts));
  const problems = results.flatMap((result) => result.problems);
  if (!succeeded && total.failed === 0)
    problems.push('a test command failed without a failed test: see its output above');
  total.failed += problems.length;
  report(total, problems);
  process.exit(total.failed === 0 ? 0 : 1);
}

main();
