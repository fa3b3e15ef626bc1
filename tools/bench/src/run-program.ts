// Runs one program to its end and hands back what it wrote to stdout.
import { execFile } from 'node:child_process';

export interface ProgramOptions {
  /** Debian package to name when the program is missing; without one its absence is an ordinary error. */
  debianPackage?: string;
  cwd?: string;
  env?: Record<string, string>;
  timeoutMs?: number;
}

const TIMEOUT_MS = 120_000; // of a measurement

/** A program that is not on this machine, and the Debian package that has it. */
export class MissingProgram extends Error {
  constructor(program: string, debianPackage: string) {
    super(`${program} is not installed (Debian: ${debianPackage})`);
  }
}

/** Throws MissingProgram, or an Error with the program's own words. */
export function runProgram(program: string, args: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const { debianPackage, cwd, env, timeoutMs = TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    const settings = { cwd, env: { ...process.env, ...env }, timeout: timeoutMs, maxBuffer: 1 << 24 };
    execFile(program, args, settings, (error, stdout, stderr) => {
      if (!error) resolve(stdout);
      else if (error.code === 'ENOENT' && debianPackage) reject(new MissingProgram(program, debianPackage));
      else
        reject(
          new Error(`${program} ${args.join(' ')}: ${stderr.trim() || `ended with ${error.signal ?? error.code}`}`),
        );
    });
  });
}
