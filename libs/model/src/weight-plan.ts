// Joins what a model needs with what the files hold. Called by libs/model-files after the headers were read.
// It must not read files; the digest comes in from the caller, who has hashed them.
import { dtypeLayout, isPlain } from './dtype.js';
import { ModelError } from './error.js';
import { familyOf } from './families/index.js';
import type { TensorNames } from './family.js';
import { FP8_BLOCK } from './quantization.js';
import { fitSlices } from './slices.js';
import type { ModelSpec, WeightPlan, WeightTensor } from './spec.js';
import { TensorIndex } from './tensor-index.js';
import { type ExpectedTensor, fillTemplate, listMtpTensors, listTensors, originalOf } from './tensor-list.js';

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
      planned.push({ ...withScales(tensor, found, index), name: fillTemplate(expected.template, expected) });
      if (expected.isSliced) products.push({ width: expected.shape[1] as number, blockElements: scaleBlock(tensor) });
      continue;
    }
    missing.push(index.nameOf(expected));
    if (missing.length === NUM_MISSING_MAX) break;
  }
  if (missing.length > 0) throw missingError(missing);
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

function missingError(missing: readonly string[]): ModelError {
  const more = missing.length === NUM_MISSING_MAX ? ' and perhaps more' : '';
  return new ModelError('tensors', `missing ${missing.join(', ')}${more}`);
}

/** Elements of a row that share a scale and cannot be cut apart. */
function scaleBlock(tensor: WeightTensor): number {
  return tensor.dtype === 'F8_E4M3' ? FP8_BLOCK : dtypeLayout(tensor.dtype).blockElements;
}

/** The tensor with the scales that its type needs. Whatever is not plain floats has to be a matrix of a quantised checkpoint. */
function withScales(tensor: WeightTensor, spec: ModelSpec, index: TensorIndex): WeightTensor {
  if (isPlain(tensor.dtype)) return tensor;
  if (tensor.shape.length < 2)
    throw new ModelError(tensor.name, `is a vector of ${tensor.dtype}, must be plain floats`);
  if (tensor.dtype === 'F8_E4M3') {
    requireForm(tensor, spec, 'fp8-block');
    const shape = tensor.shape.map((dim) => Math.ceil(dim / FP8_BLOCK));
    return { ...tensor, scales: index.takeScales(tensor, '_scale_inv', shape) };
  }
  if (tensor.dtype === 'I8') {
    requireForm(tensor, spec, 'int8-channel');
    return { ...tensor, scales: index.takeScales(tensor, '_scale', [tensor.shape[0] as number, 1]) };
  }
  requireForm(tensor, spec, 'gguf');
  return tensor;
}

function requireForm(tensor: WeightTensor, spec: ModelSpec, form: ModelSpec['quantization']): void {
  if (spec.quantization === form) return;
  throw new ModelError(
    tensor.name,
    `is ${tensor.dtype} in ${tensor.file}, which goes with ${form} quantisation; the configuration says ${spec.quantization}`,
  );
}
