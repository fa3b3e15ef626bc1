// Starts runner.ts and takes its figures.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Job } from './runner.js';

/** runner.ts in one file, as services are: else its start would be the search for some 600 modules. */
const RUNNER = fileURLToPath(new URL('./runner-bundle.js', import.meta.url));
const TIMEOUT_MS = 900_000;

export interface JobResult {
  /** By work: tokens per second, 0 of a first token. */
  values: number[];
  /** From the start of the process to the first figure, ms. */
  firstMs: number;
}

/** Rejects with what the process wrote to stderr when it fails. */
export async function runJob(job: Job): Promise<JobResult> {
  const startedMs = performance.now();
  const child = spawn(process.execPath, [RUNNER, JSON.stringify(job)], { timeout: TIMEOUT_MS, killSignal: 'SIGKILL' });
  const closed = once(child, 'close');
  const values: number[] = [];
  let firstMs = 0;
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  createInterface(child.stdout).on('line', (line) => {
    if (values.length === 0) firstMs = performance.now() - startedMs;
    const { value }: { value: number } = JSON.parse(line);
    values.push(value);
  });
  const [code, signal] = await closed;
  if (code === 0 && values.length === job.works.length) return { values, firstMs };
  throw new Error(`${job.engine.name} on ${job.engine.modelPath} ended with ${signal ?? code}: ${errors.trim()}`);
}
