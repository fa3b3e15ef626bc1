// Our side: builds native_bench, lists its cases, runs them one at a time.
import { join } from 'node:path';
import { median } from '../../stats.js';
import { runProgram } from './run-program.js';
import type { Figures, Meter, NativeSource } from './source.js';

const SECONDS = 1;
const BUILD_TIMEOUT_MS = 1_200_000;

export class NativeMeter implements Meter<NativeSource> {
  private readonly program: string;

  constructor(private readonly repoRoot: string) {
    this.program = join(repoRoot, 'native/build/release/native_bench');
  }

  async build(): Promise<void> {
    await runProgram(process.execPath, [join(this.repoRoot, 'native/build.mjs'), '--bench'], {
      timeoutMs: BUILD_TIMEOUT_MS,
    });
  }

  /** Throws, listing them, for cases that native_bench does not have. */
  async checkCases(names: readonly string[]): Promise<void> {
    const known = new Set((await runProgram(this.program, ['--list'])).split('\n'));
    const unknown = names.filter((name) => !known.has(name));
    if (unknown.length > 0) throw new Error(`native_bench does not have these cases: ${unknown.join(', ')}`);
  }

  async measure(source: NativeSource): Promise<Figures> {
    return parseNative(await runProgram(this.program, [source.case, '--seconds', `${SECONDS}`, '--json']));
  }

  nameOf(source: NativeSource): string {
    return source.case;
  }
}

/** One JSON line; `value` is the median of the repetitions, `min` the least of them. */
export function parseNative(line: string): Figures {
  const { case: name, unit: _, values, ...others } = JSON.parse(line) as NativeLine;
  if (!Array.isArray(values) || values.length === 0) throw new Error(`native_bench: no values for ${name}`);
  return { value: median(values), others: { ...others, min: Math.min(...values) } };
}

type NativeLine = { case: string; unit: string; values: number[] } & Record<string, number>;
