// Opens what is to be quantised, and refuses what cannot be. Called by main.ts.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { WeightTensor } from '@switchyard/model';
import { type ReadModel, readModel, readWeightFiles, SeenFiles } from '@switchyard/model-files';

export interface Source {
  dir: string;
  model: ReadModel;
  /** config.json as it stands. */
  config: object;
  /** All tensors of the files, under the files' names, in the files' order. */
  tensors: WeightTensor[];
}

/** @throws Error or ModelError in words for a person: what is not a model, not supported, or quantised already. */
export async function openSource(path: string): Promise<Source> {
  const dir = resolve(path);
  if (dir.endsWith('.gguf')) {
    throw new Error(`${path} is a GGUF file; quantize takes the Hugging Face directory of a model with float weights`);
  }
  const model = await readModel(dir);
  const { quantization } = model.spec;
  if (typeof quantization === 'object' && quantization.dtype === 'I8') {
    throw new Error(`${path} is quantised already: its quantization_config says INT8 weights (compressed-tensors)`);
  }
  const tensors = readWeightFiles(dir, new SeenFiles(Date.now())).flatMap((file) =>
    file.tensors.map((tensor) => ({ ...tensor, file: join(dir, tensor.file) })),
  );
  return { dir, model, config: JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8')), tensors };
}
