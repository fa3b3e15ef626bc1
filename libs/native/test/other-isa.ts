// Logits on an instruction set that this process does not use: it is chosen once a process, so another one computes them.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const nativeModule = new URL('../dist/index.js', import.meta.url).pathname;

/** Of a process whose instruction set is forced; `input` is that of evaluate. */
export async function logitsOn(isa: string, input: object): Promise<{ isa: string; logits: number[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'switchyard-isa-'));
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
    const options = { env: { ...process.env, SWITCHYARD_ISA: isa }, timeout: 20_000, maxBuffer: 1 << 26 };
    return JSON.parse((await promisify(execFile)(process.execPath, [join(folder, 'child.mjs')], options)).stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
