// Reads, adds and prints the counts that counts-reporter.ts leaves in each project. Called by run.mjs and ci-result.mjs.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readJson } from '../setup/workspaces.mjs';

/**
 * @typedef {import('./counts-reporter.ts').Counts} Counts
 */

/** @returns {Counts} */
function noCounts() {
  return { passed: 0, failed: 0, skipped: 0, skips: [] };
}

/**
 * The counts of one project, and what is wrong with them. A total must not be green because a project is missing in it.
 * @param {string} root
 * @param {string} dir the project's folder, relative to root
 * @returns {{ counts: Counts, problems: string[] }}
 */
export function readCounts(root, dir) {
  const path = join(root, dir, '.vitest-results', 'counts.json');
  if (!existsSync(path)) return { counts: noCounts(), problems: [`${dir}: the tests left no ${path}`] };
  /** @type {Counts} */
  const counts = readJson(path);
  const isEmpty = counts.passed + counts.failed + counts.skipped === 0;
  const problems = isEmpty && hasTestFile(join(root, dir)) ? [`${dir}: has test files, but no test ran`] : [];
  return { counts, problems };
}

/**
 * @param {string} dir
 * @returns {boolean}
 */
function hasTestFile(dir) {
  const entries = readdirSync(dir, { withFileTypes: true });
  return entries.some((entry) => {
    if (entry.isFile()) return entry.name.endsWith('.test.ts');
    return !['node_modules', 'dist', 'build'].includes(entry.name) && hasTestFile(join(dir, entry.name));
  });
}

/**
 * @param {Counts[]} all
 * @returns {Counts}
 */
export function addCounts(all) {
  const total = noCounts();
  for (const counts of all) {
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped;
    total.skips.push(...counts.skips);
  }
  return total;
}

/** @param {Counts} counts */
export function formatCounts(counts) {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
  return `${counts.passed} passed, ${counts.failed} failed${skipped}`;
}

/** What no package can bring: an instruction set, and a registry that is out of reach. */
const excusedReasons = ['needs: instruction set', 'needs: PyPI'];

/**
 * The skips that a fully equipped machine must not show.
 * @param {Counts} counts
 */
export function forbiddenSkips(counts) {
  return counts.skips.filter((skip) => !excusedReasons.some((reason) => skip.reason.startsWith(reason)));
}
