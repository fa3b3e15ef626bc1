// The end of .ci/run: `node ci-result.mjs [FAILED_STEP...]` judges the run and prints the line with the counts as its last.
// A test that was skipped for want of something installable fails the run; a missing instruction set or an unreachable PyPI does not.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readJson } from '../setup/workspaces.mjs';
import { forbiddenSkips, formatCounts } from './counts.mjs';

const totalPath = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '.vitest-results', 'total.json');

/** @param {string[]} failedSteps */
function main(failedSteps) {
  for (const step of failedSteps) console.error(`failed step: ${step}`);
  if (!existsSync(totalPath)) {
    console.error('the tests did not run to their end');
    console.log('0 passed, 1 failed');
    return 1;
  }
  /** @type {import('./counts.mjs').Counts} */
  const total = readJson(totalPath);
  const forbidden = forbiddenSkips(total);
  for (const skip of forbidden)
    console.error(`must not be skipped here: ${skip.test} (${skip.reason || 'no reason given'})`);
  console.log(formatCounts(total));
  return failedSteps.length + forbidden.length + total.failed === 0 ? 0 : 1;
}

process.exit(main(process.argv.slice(2)));
