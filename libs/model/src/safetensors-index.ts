// The index of a model whose tensors are spread over several safetensors files (model.safetensors.index.json).
// Called by libs/model-files. File names come from outside: only plain names of the same directory are let through.
import { ModelError } from './error.js';
import type { WeightTensor } from './spec.js';

const INDEX = 'model.safetensors.index.json';
const NUM_FILES_MAX = 10_000;
const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,250}\.safetensors$/;

/** Which file holds which tensor. */
export interface SafetensorsIndex {
  /** Distinct file names, in alphabetical order. */
  files: string[];
  tensorToFile: Map<string, string>;
}

/** Reads the parsed JSON of an index; throws ModelError when it is not one. */
export function parseSafetensorsIndex(json: unknown): SafetensorsIndex {
  const weightMap = typeof json === 'object' && json !== null && 'weight_map' in json ? json.weight_map : undefined;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new ModelError(`${INDEX}:weight_map`, 'must be an object from tensor name to file name');
  }
  const tensorToFile = new Map<string, string>();
  for (const [name, file] of Object.entries(weightMap)) {
    if (typeof file !== 'string' || !FILE_NAME.test(file)) {
      throw new ModelError(
        `${INDEX}:weight_map.${name}`,
        'must be the name of a .safetensors file in the same directory',
      );
    }
    tensorToFile.set(name, file);
  }
  const files = [...new Set(tensorToFile.values())].sort();
  if (files.length === 0) throw new ModelError(`${INDEX}:weight_map`, 'names no tensor');
  if (files.length > NUM_FILES_MAX)
    throw new ModelError(`${INDEX}:weight_map`, `names more than ${NUM_FILES_MAX} files`);
  return { files, tensorToFile };
}

/** Checks that the files hold exactly the tensors that the index puts there. */
export function checkSafetensorsIndex(index: SafetensorsIndex, tensors: readonly WeightTensor[]): void {
  const remaining = new Map(index.tensorToFile);
  for (const tensor of tensors) {
    const file = remaining.get(tensor.name);
    if (file !== tensor.file) {
      throw new ModelError(tensor.name, `lies in ${tensor.file}, ${INDEX} says ${file ?? 'nothing of it'}`);
    }
    remaining.delete(tensor.name);
  }
  for (const [name, file] of remaining) throw new ModelError(name, `is missing in ${file}, where ${INDEX} puts it`);
}
