// A vitest reporter that writes one project's counts to .vitest-results/counts.json, where run.mjs adds them up.
// Named in vitest.config.ts. A test file that cannot be loaded, and an error outside any test, count as failed.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reporter, SerializedError, TestCase, TestModule, Vitest } from 'vitest/node';

export interface Skip {
  test: string;
  /** The note given to `context.skip(note)`, of the form 'needs: X'; empty when the test gave none. */
  reason: string;
}

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
  skips: Skip[];
}

export default class CountsReporter implements Reporter {
  private root = process.cwd();

  /** Written at once too, so that a project without any test file has counts: vitest ends such a run without the end event. */
  onInit(vitest: Vitest): void {
    this.root = vitest.config.root;
    this.write({ passed: 0, failed: 0, skipped: 0, skips: [] });
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    const counts: Counts = { passed: 0, failed: unhandledErrors.length, skipped: 0, skips: [] };
    for (const module of modules) {
      counts.failed += module.errors().length;
      for (const test of module.children.allTests()) countTest(test, counts);
    }
    this.write(counts);
  }

  private write(counts: Counts): void {
    const dir = join(this.root, '.vitest-results');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'counts.json'), `${JSON.stringify(counts, null, 2)}\n`);
  }
}

function countTest(test: TestCase, counts: Counts): void {
  const result = test.result();
  if (result.state === 'passed') {
    counts.passed += 1;
  } else if (result.state === 'skipped') {
    counts.skipped += 1;
    counts.skips.push({ test: test.fullName, reason: result.note ?? '' });
  } else {
    counts.failed += 1;
  }
}
