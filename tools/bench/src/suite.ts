// What a bench suite is. Suites live in suites/<name>/ and are listed in registry.ts.
import type { Measurement } from './row.js';

export interface BenchContext {
  repoRoot: string;
  /** How often each case is measured. */
  numRuns: number;
  /** False for a case whose row the caller does not want; a suite may save itself the measurement. */
  isWanted(caseName: string): boolean;
  /** Tells the person who waits how far it is; never part of the report. */
  progress(line: string): void;
}

export interface Suite {
  name: string;
  /** One line for the usage text. */
  summary: string;
  run(context: BenchContext): Promise<Measurement[]>;
  /** Installs what it compares with, for suites that can. */
  fetchPeers?(context: BenchContext): Promise<void>;
}
