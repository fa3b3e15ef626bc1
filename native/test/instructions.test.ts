// Disassembles what was built: narrow products have to use the instructions that they are written for, and nothing byte by byte.
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

interface MachineFunction {
  name: string;
  code: string;
}

/** The functions of an object file; null without objdump. */
function disassemble(object: string): MachineFunction[] | null {
  const path = fileURLToPath(new URL(`../build/release/obj/${object}`, import.meta.url));
  try {
    const text = execFileSync('objdump', ['-d', '-C', '--no-show-raw-insn', path], {
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    const parts = text.split(/^[0-9a-f]+ <(.+)>:$/m).slice(1);
    return parts.flatMap((name, i) => (i % 2 === 0 ? [{ name, code: parts[i + 1] as string }] : []));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** A number of one byte, widened alone. */
const SCALAR_BYTE = /\b(mov[sz]b[wlq]|mov[sz]x)\b/;

const TILE = /run_(block_)?tile</;

test.each([
  ['avx512vnni', 'product_int8', TILE, [/\bvpdpbusd\b.*%zmm/]],
  ['avxvnni', 'product_int8', TILE, [/\bvpdpbusd\b.*%ymm/]],
  ['avxvnni', 'product_block', TILE, [/\bvpdpbusd\b.*%ymm/]],
  ['avx2', 'product_int8', /add_step</, [/\bvpmaddubsw\b.*%ymm/, /\bvpmaddwd\b.*%ymm/]],
  ['avx512vnni', 'product_block', TILE, [/\bvpdpbusd\b.*%zmm/]],
  ['avx2', 'product_block', /run_block_tile<|add_part</, [/\bvpmaddubsw\b.*%ymm/, /\bvpmaddwd\b.*%ymm/]],
  ['avx512bf16', 'product_bf16', TILE, [/\bvdpbf16ps\b.*%zmm/]],
])('%s: %s is made of its dot product instructions', (isa, product, innermost, instructions, context) => {
  if (process.arch !== 'x64') return context.skip('needs: instruction set x86-64');
  const functions = disassemble(`kernels__${product}__${product}_${isa}.cc.o`);
  if (functions === null) return context.skip('needs: binutils');
  const computing = functions.filter(({ name }) => innermost.test(name));
  expect(computing.length).toBeGreaterThan(0);
  for (const { name, code } of computing) {
    expect(code, name).not.toMatch(SCALAR_BYTE);
    for (const instruction of instructions) expect(code, name).toMatch(instruction);
  }
});
