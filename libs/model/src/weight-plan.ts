// Joins what a family needs with what the files hold. Called by libs/model-files after the headers were read.
// It must not read files; the digest comes in from the caller, who has hashed them.
import { ModelError } from './error.js';
import { deepseekV3Tensors } from './families/deepseek-v3.js';
import type { ModelSpec, WeightPlan, WeightTensor } from './spec.js';

/** Missing names after which the search ends: enough to see what is wrong, and a bound for configurations that expect millions. */
const NUM_MISSING_MAX = 4;

/** The plan, and the tensors in the files that the family does not use. */
export interface WeightPlanResult {
  plan: WeightPlan;
  /** Names of unused tensors, in file order. */
  unused: string[];
}

/**
 * Finds every tensor of the spec's family among `tensors` and checks its shape.
 *
 * @param tensors All tensors of all files of the model.
 * @param digest Hex digest for the plan.
 * @throws ModelError for a missing tensor, a wrong shape or a name that occurs twice.
 */
export function makeWeightPlan(spec: ModelSpec, tensors: readonly WeightTensor[], digest: string): WeightPlanResult {
  const nameToTensor = indexByName(tensors);
  const planned: WeightTensor[] = [];
  const missing: string[] = [];
  for (const { name, shape } of deepseekV3Tensors(spec)) {
    const tensor = nameToTensor.get(name);
    if (!tensor) {
      missing.push(name);
      if (missing.length === NUM_MISSING_MAX) break;
      continue;
    }
    checkShape(tensor, shape);
    planned.push(tensor);
    nameToTensor.delete(name);
  }
  if (missing.length > 0)
    throw new ModelError(
      'tensors',
      `missing ${missing.join(', ')}${missing.length === NUM_MISSING_MAX ? ' and perhaps more' : ''}`,
    );
  return { plan: { digest, tensors: planned }, unused: [...nameToTensor.keys()] };
}

function indexByName(tensors: readonly WeightTensor[]): Map<string, WeightTensor> {
  const nameToTensor = new Map<string, WeightTensor>();
  for (const tensor of tensors) {
    const other = nameToTensor.get(tensor.name);
    if (other) throw new ModelError(tensor.name, `stands in both ${other.file} and ${tensor.file}`);
    nameToTensor.set(tensor.name, tensor);
  }
  return nameToTensor;
}

function checkShape(tensor: WeightTensor, expected: number[]): void {
  const isEqual = tensor.shape.length === expected.length && tensor.shape.every((dim, i) => dim === expected[i]);
  if (isEqual) return;
  throw new ModelError(
    tensor.name,
    `has shape [${tensor.shape.join(', ')}] in ${tensor.file}, the configuration says [${expected.join(', ')}]`,
  );
}
