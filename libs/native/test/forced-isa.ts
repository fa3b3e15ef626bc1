// Logits of a model on an instruction set that is not the one in use: in a process of its own.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { OpenedWeights } from './driver.js';

const nativeModule = new URL('../dist/index.js', import.meta.url).pathname;

/** What evaluate takes, plain data. */
export const inputOf = ({ executorSpec, weights, policy }: OpenedWeights, tokens: number[]) => ({
  model: executorSpec,
  weights,
  policy,
  arena: null,
  tokens,
  chunkTokens: 16,
  mtp: false,
  threads: 2,
});

/** Logits of a process whose instruction set is forced. */
export async function logitsOn(isa: string, input: object): Promise<{ isa: string; logits: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-forced-isa-'));
  try {
    writeFileSync(join(folder, 'input.json'), JSON.stringify(input));
    writeFileSync(
      join(folder, 'child.mjs'),
      `import { readFileSync } from 'node:fs';
      import { loadNative } from ${JSON.stringify(nativeModule)};
      const native = loadNative();
      const input = JSON.parse(readFileSync(${JSON.stringify(join(folder, 'input.json'))}, 'utf8'));
      console.log(JSON.stringify({ isa: native.describe().isa, logits: [...native.evaluate(input).logits] }));`,
    );
    const options = { env: { ...process.env, SWITCHYARD_ISA: isa }, timeout: 20_000 };
    return JSON.parse((await promisify(execFile)(process.execPath, [join(folder, 'child.mjs')], options)).stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
