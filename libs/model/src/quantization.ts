// `quantization_config` of a configuration: DeepSeek's block-scaled fp8, or W8A8 as compressed-tensors writes it. Called by
// config.ts; weight-plan.ts holds the tensors to it. Anything else is refused by the name of its field.
import { z } from 'zod';
import { ModelError } from './error.js';
import { type Place, parseWith } from './parse-with.js';
import type { Quantization, ScaledWeights } from './spec.js';

const blockShape = z.tuple([z.int().min(1).max(65_536), z.int().min(1).max(65_536)], {
  error: 'must be [rows, columns]: other fp8 than that with a scale a block is not supported',
});

/** Source: transformers, FineGrainedFP8Config; config.json of DeepSeek-V3. */
const fp8 = z.looseObject({
  quant_method: z.literal('fp8'),
  fmt: z.enum(['e4m3', 'float8_e4m3fn']).nullish(),
  activation_scheme: z.literal('dynamic').nullish(),
  weight_block_size: blockShape,
});

const none = (what: string) => z.null(`${what} not supported`).optional();
const eightBits = { num_bits: z.literal(8), type: z.enum(['int', 'float']), symmetric: z.literal(true).nullish() };
const activationArgs = z.looseObject({ ...eightBits, strategy: z.string().nullish(), dynamic: z.unknown() });
const formats = z.enum(['int-quantized', 'float-quantized', 'naive-quantized']).nullish();

/** Source: compressed-tensors, quantization/quant_args.py and quant_scheme.py. */
const weightArgs = z.looseObject({
  ...eightBits,
  strategy: z.enum(['channel', 'tensor', 'block']),
  block_structure: blockShape.nullish(),
  dynamic: z.literal(false).nullish(),
  actorder: none('reordered activations are'),
});
const group = z.looseObject({
  weights: weightArgs,
  // What activations would be rounded to changes nothing of the weights.
  input_activations: activationArgs.nullish(),
  output_activations: none('quantised outputs are'),
  format: formats,
});

/** Source: compressed-tensors, quantization/quant_config.py. */
const compressedTensors = z.looseObject({
  quant_method: z.literal('compressed-tensors'),
  format: formats,
  quantization_status: z.enum(['compressed', 'frozen']).nullish(),
  kv_cache_scheme: none('a quantised KV cache is'),
  sparsity_config: z.looseObject({ format: z.literal('dense').nullish() }).nullish(),
  transform_config: z.strictObject({ config_groups: z.strictObject({}).optional() }).nullish(),
  config_groups: z.record(z.string(), group),
});

/** @param json The field's value; absent or null in a checkpoint of plain floats. */
export function parseQuantization(json: unknown, place: Place): Quantization {
  if (json == null) return 'none';
  const placeInside: Place = (path) => place(path === '' ? 'quantization_config' : `quantization_config.${path}`);
  const method: unknown = (json as { quant_method?: unknown }).quant_method;
  switch (method) {
    case 'fp8': {
      const { weight_block_size: block } = parseWith(fp8, json, placeInside);
      return { dtype: 'F8_E4M3', scaleSuffix: '_scale_inv', sharing: block, activations: 'fp8' };
    }
    case 'compressed-tensors':
      return ofGroups(parseWith(compressedTensors, json, placeInside).config_groups, placeInside);
    default:
      throw new ModelError(
        placeInside('quant_method'),
        `is ${JSON.stringify(method)}, supported are fp8 (block-scaled) and compressed-tensors (W8A8)`,
      );
  }
}

/** All groups of layers have to be quantised alike; layers that are in none are plain. */
function ofGroups(groups: Record<string, z.infer<typeof group>>, place: Place): ScaledWeights {
  const [first, ...others] = Object.entries(groups).map(([name, one]) => ({
    name,
    scaled: ofGroup(one, (path) => place(`config_groups.${name}.${path}`)),
  }));
  if (!first) throw new ModelError(place('config_groups'), 'names no group');
  const different = others.find(({ scaled }) => JSON.stringify(scaled) !== JSON.stringify(first.scaled));
  if (!different) return first.scaled;
  throw new ModelError(place(`config_groups.${different.name}`), `is quantised otherwise than ${first.name}`);
}

function ofGroup({ weights, input_activations: activations }: z.infer<typeof group>, place: Place): ScaledWeights {
  return {
    dtype: weights.type === 'int' ? 'I8' : 'F8_E4M3',
    scaleSuffix: '_scale',
    sharing: sharingOf(weights, place),
    activations: activations ? activationsOf(activations) : null,
  };
}

function activationsOf({ type, strategy, dynamic }: z.infer<typeof activationArgs>): ScaledWeights['activations'] {
  if (type === 'float') return 'fp8';
  return strategy === 'token' && dynamic === true ? 'int8-token' : 'int8';
}

function sharingOf(weights: z.infer<typeof weightArgs>, place: Place): ScaledWeights['sharing'] {
  switch (weights.strategy) {
    case 'channel':
      return 'row';
    case 'tensor':
      return 'matrix';
    case 'block':
      if (weights.block_structure) return weights.block_structure;
      throw new ModelError(place('weights.block_structure'), 'is missing');
  }
}
