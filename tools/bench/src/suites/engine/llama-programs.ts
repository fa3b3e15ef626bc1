// Other builds of llama.cpp by their own benches, for instance ik_llama.cpp: llama-bench for a prompt and for one sequence,
// llama-batched-bench for several. Both measure without sampling, and feed tokens of their own choice.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Yardstick } from '../../row.js';
import { BATCH_TOKENS, DECODE_PROMPT_TOKENS, decodeTokens, PREFILL_TOKENS, type Work } from './workload.js';

const execute = promisify(execFile);
const TIMEOUT_MS = 600_000;
/** Repacks the weights at the start (ik_llama.cpp). */
const REPACK = '-rtr';

interface Program {
  name: string;
  variable: string;
  measures: (work: Work) => boolean;
  args: (work: Work) => string[];
  repack: string[];
  parse: (text: string) => number;
}

const PROGRAMS: readonly Program[] = [
  {
    name: 'llama-bench',
    variable: 'SWITCHYARD_BENCH_LLAMA_BENCH',
    measures: (work) => work.kind === 'prefill' || (work.kind === 'decode' && work.numSequences === 1),
    args: (work) => {
      const [prompt, generated] = work.kind === 'prefill' ? [PREFILL_TOKENS, 0] : [0, decodeTokens(1)];
      return ['-p', `${prompt}`, '-n', `${generated}`, '-r', '1', '-o', 'json'];
    },
    repack: [REPACK, '1'],
    parse: parseLlamaBench,
  },
  {
    name: 'llama-batched-bench',
    variable: 'SWITCHYARD_BENCH_LLAMA_BATCHED_BENCH',
    measures: (work) => work.kind === 'decode' && work.numSequences > 1,
    args: (work) => {
      const numSequences = work.kind === 'decode' ? work.numSequences : 1;
      const numTokens = decodeTokens(numSequences);
      const sizes = ['-npp', `${DECODE_PROMPT_TOKENS}`, '-ntg', `${numTokens}`, '-npl', `${numSequences}`];
      const context = numSequences * (DECODE_PROMPT_TOKENS + numTokens);
      return [...sizes, '-c', `${context}`, '-b', `${BATCH_TOKENS}`, '-ub', `${BATCH_TOKENS}`];
    },
    repack: [REPACK],
    parse: parseBatchedBench,
  },
];

/** The programs that the environment gives, with the work that each can measure. */
export class LlamaPrograms {
  readonly #given = PROGRAMS.flatMap((program) => {
    const path = process.env[program.variable];
    return path ? [{ program, path }] : [];
  });

  /** Tokens per second of each program for that work. */
  async measure(work: Work, modelPath: string, threads: number): Promise<Yardstick[]> {
    const measured: Yardstick[] = [];
    for (const { program, path } of this.#given.filter((each) => each.program.measures(work))) {
      const options = { timeout: TIMEOUT_MS, maxBuffer: 1 << 24 };
      const help = await execute(path, ['--help'], options).catch((error: { stdout?: string }) => error);
      const repack = help.stdout?.includes(REPACK) ? program.repack : [];
      const args = ['-m', modelPath, '-t', `${threads}`, ...program.args(work), ...repack];
      const { stdout, stderr } = await execute(path, args, options);
      // ik_llama.cpp's table goes to stderr.
      const text = stdout.trim() === '' ? stderr : stdout;
      measured.push({ name: [program.name, ...repack].join(' '), value: program.parse(text) });
    }
    return measured;
  }
}

/** The mean of the one test in llama-bench's JSON, tokens per second. */
export function parseLlamaBench(text: string): number {
  const tests: { avg_ts?: number }[] = JSON.parse(text.slice(text.indexOf('[\n')));
  return positive(tests[0]?.avg_ts, 'llama-bench', text);
}

/** Column "S_TG t/s" of the one row in the table of llama-batched-bench. */
export function parseBatchedBench(text: string): number {
  const rows = text.split('\n').map((line) => line.split('|').map((cell) => cell.trim()));
  const headingIdx = rows.findIndex((cells) => cells.includes('S_TG t/s'));
  const column = rows[headingIdx]?.indexOf('S_TG t/s') ?? -1;
  return positive(Number(rows[headingIdx + 2]?.[column]), 'llama-batched-bench', text);
}

function positive(value: number | undefined, program: string, text: string): number {
  if (value !== undefined && value > 0) return value;
  throw new Error(`${program} wrote no figures: ${text.trim().slice(-500)}`);
}
