// Joins what a model needs with what the files hold. Called by libs/model-files after the headers were read.
// It must not read files; the digest comes in from the caller, who has hashed them.
import { ModelError } from './error.js';
import { familyOf } from './families/index.js';
import type { TensorNames } from './family.js';
import { fitSlices } from './slices.js';
import type { ModelSpec, WeightPlan, WeightTensor } from './spec.js';
import { TensorIndex } from './tensor-index.js';
import { type ExpectedTensor, fillTemplate, listMtpTensors, listTensors, originalOf } from './tensor-list.js';
import { blockElements, withScales } from './weight-scales.js';

/** Missing names after which the search ends: enough to see what is wrong, and a bound for configurations that expect millions. */
const NUM_MISSING_MAX = 4;

/** The plan, the spec it is for, and the tensors in the files that it does not use. */
export interface WeightPlanResult {
  plan: WeightPlan;
  /** As given, without MTP layers that the files leave out, and with fewer slices where types of the files ask for it. */
  spec: ModelSpec;
  /** Names of unused tensors, in file order. */
  unused: string[];
}

/**
 * Finds every tensor of the spec among `tensors` and checks its shape and the form it is stored in.
 *
 * @param tensors All tensors of all files of the model.
 * @param digest Hex digest for the plan.
 * @param names What the files call tensors, by template of tensor-list.ts; the family's names in safetensors files if absent.
 * @throws ModelError for a missing tensor, a wrong shape or form, or a name that occurs twice.
 */
export function makeWeightPlan(
  spec: ModelSpec,
  tensors: readonly WeightTensor[],
  digest: string,
  names: TensorNames = familyOf(spec).names ?? {},
): WeightPlanResult {
  const index = new TensorIndex(tensors, names, spec.numExperts);
  const found = dropMissingMtp(spec, index);
  const planned: WeightTensor[] = [];
  const products: { width: number; blockElements: number }[] = [];
  const missing: string[] = [];
  for (const expected of listTensors(found)) {
    const tensor = index.take(expected) ?? takeOriginal(expected, found, index);
    if (tensor) {
      const scaled = withScales(tensor, found, index);
      planned.push({ ...scaled, name: fillTemplate(expected.template, expected) });
      if (expected.isSliced)
        products.push({ width: expected.shape[1] as number, blockElements: blockElements(scaled) });
      continue;
    }
    missing.push(index.nameOf(expected));
    if (missing.length === NUM_MISSING_MAX) break;
  }
  if (missing.length > 0) throw missingError(missing, index);
  const fitted = { ...found, numSlices: fitSlices(found.numSlices, products) };
  return { plan: { digest, tensors: planned }, spec: fitted, unused: index.unused() };
}

/**
 * Tools that do not know MTP leave its layer out of checkpoints and the field in their configuration. With a part of such
 * a layer at any number, the configuration contradicts the files: it counts layers wrongly.
 */
function dropMissingMtp(spec: ModelSpec, index: TensorIndex): ModelSpec {
  const expected = [...listMtpTensors(spec)];
  const isOwn = ({ template }: ExpectedTensor) => template.endsWith('.eh_proj.weight');
  const atAnyLayer = expected
    .filter(isOwn)
    .flatMap((tensor) => Array.from({ length: spec.numLayers }, (_, layer) => ({ ...tensor, layer })));
  return [...expected, ...atAnyLayer].some((tensor) => index.has(tensor)) ? spec : { ...spec, numMtpLayers: 0 };
}

/** An MTP layer's embedding and output layer are the main model's, where files leave the copies out. */
function takeOriginal(expected: ExpectedTensor, spec: ModelSpec, index: TensorIndex): WeightTensor | undefined {
  const original = originalOf(expected.template, spec);
  return original === undefined ? undefined : index.take({ ...expected, template: original });
}

/** With what a file has instead where it has the same name under another prefix, as wrappers of language models do. */
function missingError(missing: readonly string[], index: TensorIndex): ModelError {
  const more = missing.length === NUM_MISSING_MAX ? ' and perhaps more' : '';
  const similar = index.underOtherPrefix(missing[0] as string);
  const hint = similar === undefined ? '' : `; there is ${similar}, and names with other prefixes are not supported`;
  return new ModelError('tensors', `missing ${missing.join(', ')}${more}${hint}`);
}
