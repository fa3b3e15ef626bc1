// The files of one shape in a folder that goes with the suite.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type KernelClass, kernelClasses } from '@switchyard/model';
import { type BenchShape, bytesRead, type ShapeName } from './model/shape.js';
import { writeDirectory } from './model/write-directory.js';
import { writeGguf } from './model/write-gguf.js';

/** What our engine runs on: the peers' own 8-bit file, in policy block-a8, or a directory of bf16 weights, or of INT8 made of them. */
export type OwnWeights = 'bf16' | 'w8a8' | 'q8_0';

const VARIABLE = 'SWITCHYARD_BENCH_ENGINE_WEIGHTS';
const CLASS_VARIABLE = 'SWITCHYARD_BENCH_ENGINE_KERNEL_CLASS';

export interface ShapeFiles {
  shape: BenchShape;
  own: string;
  gguf: string;
  /** Of our digests and arenas. */
  cacheDir: string;
}

/** @throws Error for a value of the variable that is none of them. */
export function ownWeights(): OwnWeights {
  const given = process.env[VARIABLE] || 'q8_0';
  if (given === 'bf16' || given === 'w8a8' || given === 'q8_0') return given;
  throw new Error(`${VARIABLE}=${given}: must be bf16, w8a8 or q8_0`);
}

/**
 * The kernel class that ours runs a shape in: where there is a choice, `mla-split` unless the variable says otherwise.
 *
 * @throws Error for a value of the variable that is none.
 */
export function ownKernelClass(shape: ShapeName): KernelClass {
  const given = process.env[CLASS_VARIABLE] || 'mla-split';
  const known = kernelClasses.find((each) => each === given);
  if (known === undefined) throw new Error(`${CLASS_VARIABLE}=${given}: must be ${kernelClasses.join(' or ')}`);
  return shape === 'mla' ? known : 'fma16';
}

export function writeFiles(folder: string, shape: BenchShape, weights: OwnWeights, repoRoot: string): ShapeFiles {
  mkdirSync(folder);
  const gguf = join(folder, `${shape.name}.gguf`);
  const cacheDir = join(folder, 'cache');
  writeGguf(gguf, shape);
  if (weights === 'q8_0') return { shape, own: gguf, gguf, cacheDir };
  const own = join(folder, shape.name);
  mkdirSync(own);
  writeDirectory(own, join(repoRoot, 'models/switchyard-tiny'), shape);
  return { shape, own: weights === 'w8a8' ? quantized(own, repoRoot) : own, gguf, cacheDir };
}

/** The directory that `npm run quantize` makes of this one, which goes. */
function quantized(dir: string, repoRoot: string): string {
  const out = `${dir}-w8a8`;
  const program = join(repoRoot, 'tools/quantize/dist/main.js');
  execFileSync(process.execPath, [program, dir, '--out', out, '--no-measure'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  rmSync(dir, { recursive: true });
  return out;
}

/** Tokens per second of a decode that does nothing but read the 8-bit weights at that many bytes per second. */
export function decodeLimit(shape: BenchShape, numSequences: number, bytesPerSecond: number): number {
  return (numSequences * bytesPerSecond) / bytesRead(shape, numSequences);
}
