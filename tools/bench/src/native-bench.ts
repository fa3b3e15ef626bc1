// native_bench (native/base/bench): builds it, lists its cases, runs some. For the suites that measure native code.
import { join } from 'node:path';
import { runProgram } from './run-program.js';

const BUILD_TIMEOUT_MS = 1_200_000;
const CASE_TIMEOUT_MS = 120_000;

/** The line of one case: a value a repetition, in `unit`; further figures by name, times in us. */
export interface NativeLine {
  case: string;
  unit: string;
  values: number[];
  figures: Record<string, number>;
}

export class NativeBench {
  private readonly program: string;

  constructor(private readonly repoRoot: string) {
    this.program = join(repoRoot, 'native/build/release/native_bench');
  }

  async build(): Promise<void> {
    await runProgram(process.execPath, [join(this.repoRoot, 'native/build.mjs'), '--bench'], {
      timeoutMs: BUILD_TIMEOUT_MS,
    });
  }

  async list(): Promise<string[]> {
    return linesOf(await runProgram(this.program, ['--list']));
  }

  /** One process for all, one after the other; so many seconds are measured of each. */
  async measure(cases: readonly string[], seconds: number): Promise<NativeLine[]> {
    const options = { timeoutMs: CASE_TIMEOUT_MS * cases.length };
    const output = await runProgram(this.program, [...cases, '--seconds', `${seconds}`, '--json'], options);
    return linesOf(output).map(parseNativeLine);
  }
}

export function parseNativeLine(line: string): NativeLine {
  const { case: name, unit, values, ...figures } = JSON.parse(line) as WrittenLine;
  if (!Array.isArray(values) || values.length === 0) throw new Error(`native_bench: no values for ${name}`);
  return { case: name, unit, values, figures };
}

type WrittenLine = { case: string; unit: string; values: number[] } & Record<string, number>;

const linesOf = (output: string) => output.split('\n').filter((line) => line !== '');
