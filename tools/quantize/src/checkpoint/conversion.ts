// What becomes of each tensor of a checkpoint: INT8 with scales, bfloat16, or the bytes that it has. Pure. Called by write-checkpoint.ts.
// Layout: compressed-tensors, format int-quantized: NAME.weight I8 [rows, columns] and NAME.weight_scale [rows, 1].
import { isPlain, type PlainDtype, type WeightPlan, type WeightTensor } from '@switchyard/model';
import type { ScaleDtype } from '../methods/method.js';

/** A tensor to be written. */
export interface OutputTensor {
  name: string;
  dtype: 'I8' | WeightTensor['dtype'];
  shape: readonly number[];
  bytes: number;
}

export type Conversion =
  | { kind: 'copy'; tensor: WeightTensor; outputs: [OutputTensor] }
  /** 8-bit floats that do not become INT8. */
  | { kind: 'round'; tensor: WeightTensor; outputs: [OutputTensor] }
  | {
      kind: 'quantize';
      tensor: WeightTensor;
      scaleDtype: ScaleDtype;
      outputs: [weight: OutputTensor, scale: OutputTensor];
    };

export interface ConversionPlan {
  /** In the order of the files. Scales of 8-bit floats are gone. */
  conversions: Conversion[];
  /** Names of the modules with a matrix that stays in floats: `ignore` of the configuration. */
  ignore: string[];
}

/**
 * Projections of attention and FFNs, by the names of libs/model's tensor list, in MTP layers too. All other matrices stay in floats:
 * embeddings, output layers, routers, the gate of shared experts, MTP's eh_proj, and kv_b_proj, which our class w8a8 would only widen
 * (docs/decisions/0023-quantize.md).
 */
const QUANTIZED =
  /\.(self_attn\.(q|k|v|o|q_a|q_b)_proj|self_attn\.kv_a_proj_with_mqa|mlp\.(.+\.)?(gate|up|down)_proj)\.weight$/;
/** Lookup tables, which no list of layers names. */
const EMBEDDING = /(^|\.)embed_tokens\.weight$/;
const WEIGHT = /\.weight$/;

/**
 * @param tensors All tensors of the files, by the names that they have there.
 * @param plan Of the same files: tells what each tensor is for. Tensors that it does not use are copied.
 */
export function planConversions(tensors: readonly WeightTensor[], plan: WeightPlan): ConversionPlan {
  const planned = new Map<string, WeightTensor>();
  const scales = new Set<string>();
  for (const tensor of plan.tensors) {
    // An MTP layer may share the tensors of the main model, which come first.
    if (!planned.has(placeOf(tensor))) planned.set(placeOf(tensor), tensor);
    if (tensor.scales) scales.add(placeOf(tensor.scales));
  }
  // Where the output layer is the embeddings, no tensor says that there is one.
  const ignore = new Set(['lm_head']);
  const conversions: Conversion[] = [];
  for (const tensor of tensors) {
    if (scales.has(placeOf(tensor))) continue;
    const use = planned.get(placeOf(tensor));
    const conversion = use ? convert({ ...use, name: tensor.name }, use.name) : copy(tensor);
    conversions.push(conversion);
    const isMatrix = use?.shape.length === 2 && !EMBEDDING.test(use.name);
    if (isMatrix && conversion.kind !== 'quantize') ignore.add(tensor.name.replace(WEIGHT, ''));
  }
  return { conversions, ignore: [...ignore] };
}

/** @param use The name in the plan. */
function convert(tensor: WeightTensor, use: string): Conversion {
  if (QUANTIZED.test(use)) return quantize(tensor);
  return isPlain(tensor.dtype) ? copy(tensor) : round(tensor);
}

function quantize(tensor: WeightTensor): Conversion {
  const { name, shape } = tensor;
  const [rows = 0, columns = 0] = shape;
  const scaleDtype = scaleDtypeOf(tensor);
  return {
    kind: 'quantize',
    tensor,
    scaleDtype,
    outputs: [
      { name, dtype: 'I8', shape, bytes: rows * columns },
      { name: `${name}_scale`, dtype: scaleDtype, shape: [rows, 1], bytes: rows * (scaleDtype === 'BF16' ? 2 : 4) },
    ],
  };
}

/**
 * compressed-tensors gives scales the type of the weights. Ours are fp32 beside fp16 weights: a scale of a small row would be denormal
 * in fp16.
 */
function scaleDtypeOf({ dtype }: WeightTensor): ScaleDtype {
  const exact: readonly string[] = ['F16', 'F32'] satisfies PlainDtype[];
  return exact.includes(dtype) ? 'F32' : 'BF16';
}

function copy(tensor: WeightTensor): Conversion {
  const { name, dtype, shape, bytes } = tensor;
  return { kind: 'copy', tensor, outputs: [{ name, dtype, shape, bytes }] };
}

function round(tensor: WeightTensor): Conversion {
  const { name, shape } = tensor;
  const bytes = 2 * shape.reduce((product, dim) => product * dim, 1);
  return { kind: 'round', tensor, outputs: [{ name, dtype: 'BF16', shape, bytes }] };
}

const placeOf = ({ file, offset }: WeightTensor) => `${offset} ${file}`;
