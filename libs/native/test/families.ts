// The fixtures of tools/golden, opened for the executor: checkpoints of every family with logits by transformers.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KernelClass, type NumericPolicy, parseSafetensorsHeader } from '@switchyard/model';
import { openModel } from '@switchyard/model-files';
import type { ArenaFile } from '../src/index.js';
import type { OpenedWeights } from './driver.js';

const root = new URL('../../../test/fixtures/models/', import.meta.url).pathname;

/** A GGUF file, or the first of several. */
function ggufOf(fixture: string): string | undefined {
  const files = ['model.gguf', 'model-00001-of-00003.gguf'].map((file) => join(root, fixture, file));
  return files.find((file) => existsSync(file));
}

/** The policy that a fixture's golden is by; the checkpoint's own may be another (llama/int8 is W8A8 with widened weights). */
const policyOf = (fixture: string): NumericPolicy => (fixture.endsWith('/w8a8') ? 'w8a8' : 'fp32');

/** Folders below the fixtures that hold a checkpoint. */
export function listFixtures(): string[] {
  const folders = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const isModel = (folder: string) => ggufOf(folder) !== undefined || existsSync(join(root, folder, 'config.json'));
  return folders.filter(isModel).sort();
}

/** A prompt of golden.json. */
export interface GoldenPrompt {
  ids: number[];
  /** Of the rows of logits. */
  positions: number[];
  /** Of every position: the top choice, and by how much its logit leads. */
  top: number[];
  gaps: number[];
  mtp_positions?: number[];
  step_ids?: number[];
  /** Of the same computed in bfloat16, in some goldens. */
  top_bf16?: number[];
  gaps_bf16?: number[];
}

export type Bf16Prompt = GoldenPrompt & Required<Pick<GoldenPrompt, 'top_bf16' | 'gaps_bf16'>>;

export function hasBf16(prompt: GoldenPrompt): prompt is Bf16Prompt {
  return prompt.top_bf16 !== undefined && prompt.gaps_bf16 !== undefined;
}

export class Golden {
  readonly prompts: readonly GoldenPrompt[];
  private readonly bytes: Uint8Array;
  private readonly nameToOffset: Map<string, { offset: number; bytes: number }>;

  constructor(fixture: string) {
    const json = JSON.parse(readFileSync(join(root, fixture, 'golden.json'), 'utf8'));
    if (json.format !== 'switchyard-model-golden' || json.version !== 1) throw new Error(`${fixture}: no golden`);
    this.prompts = json.prompts;
    this.bytes = readFileSync(join(root, fixture, 'golden.safetensors'));
    const tensors = parseSafetensorsHeader(this.bytes, this.bytes.byteLength, 'golden.safetensors');
    this.nameToOffset = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** All numbers of a tensor, row by row. */
  rows(promptIdx: number, name: 'logits' | 'mtp_logits' | 'step_logits'): Float32Array {
    const tensor = this.nameToOffset.get(`prompts.${promptIdx}.${name}`);
    if (!tensor) throw new Error(`golden.safetensors has no prompts.${promptIdx}.${name}`);
    return new Float32Array(Uint8Array.from(this.bytes.subarray(tensor.offset, tensor.offset + tensor.bytes)).buffer);
  }
}

export interface HowToEvaluate {
  chunkTokens?: number;
  arena?: ArenaFile | null;
  threads?: number;
  kernelClass?: KernelClass;
}

/** What evaluate takes; plain data without an arena. */
export const inputOf = (
  { executorSpec, weights, policy }: OpenedWeights,
  tokens: number[],
  how: HowToEvaluate = {},
) => ({
  ...{
    model: executorSpec,
    weights,
    policy,
    kernelClass: 'fma16' as KernelClass,
    tokens,
    chunkTokens: 16,
    mtp: false,
    arena: null,
    threads: 2,
  },
  ...how,
});

export const rowOf = (rows: Float32Array, i: number, width: number) => rows.subarray(i * width, (i + 1) * width);

/** Largest difference of rows of our logits from the golden's, as a share of the golden's range. */
export function errorOf(ours: Float32Array, positions: readonly number[], golden: Float32Array): number {
  const width = golden.length / positions.length;
  const differences = positions.map((position, i) => {
    const row = rowOf(ours, position, width);
    return rowOf(golden, i, width).reduce(
      (worst, value, k) => Math.max(worst, Math.abs(value - (row[k] as number))),
      0,
    );
  });
  return Math.max(...differences) / rangeOf(golden);
}

export function rangeOf(rows: Float32Array): number {
  return rows.reduce((a, b) => Math.max(a, b)) - rows.reduce((a, b) => Math.min(a, b));
}

/**
 * Opens a fixture and gives it to `use`, by default in the policy of its golden. Directories have no tokenizer, which they must have but
 * nobody here uses.
 */
export async function withFixture(
  fixture: string,
  use: (model: OpenedWeights) => Promise<void> | void,
  policy: NumericPolicy = policyOf(fixture),
): Promise<void> {
  const gguf = ggufOf(fixture);
  const open = (path: string) => openModel(path, { policy });
  if (gguf !== undefined) return use(await open(gguf));
  const dir = mkdtempSync(join(tmpdir(), 'switchyard-family-'));
  try {
    for (const file of readdirSync(join(root, fixture), { withFileTypes: true })) {
      if (file.isFile()) symlinkSync(join(root, fixture, file.name), join(dir, file.name));
    }
    writeFileSync(join(dir, 'tokenizer.json'), '{}');
    await use(await open(dir));
  } finally {
    rmSync(dir, { recursive: true });
  }
}
