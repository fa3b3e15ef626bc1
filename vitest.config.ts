// The one vitest configuration. Every project runs it from its own folder: `vitest run --config ../../vitest.config.ts`.
import { defineConfig } from 'vitest/config';
import CountsReporter from './tools/test/counts-reporter.js';

export default defineConfig({
  root: process.cwd(),
  test: {
    include: ['**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', '**/build/**'],
    passWithNoTests: true,
    // Generous, since a deadline is for what hangs: two projects share a small machine.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    maxWorkers: 2,
    reporters: ['default', new CountsReporter()],
  },
});
