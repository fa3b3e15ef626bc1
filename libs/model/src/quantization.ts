// `quantization_config` of a configuration: DeepSeek's block-scaled fp8, or W8A8 as compressed-tensors writes it.
// Called by config.ts; weight-plan.ts holds the tensors to it. Anything else is refused by the name of its field.
import { z } from 'zod';
import { ModelError } from './error.js';
import { type Place, parseWith } from './parse-with.js';
import type { Quantization } from './spec.js';

/** Rows and columns of a block of fp8 weights that share a scale. */
export const FP8_BLOCK = 128;

/** Source: transformers, FineGrainedFP8Config; config.json of DeepSeek-V3. */
const fp8 = z.looseObject({
  quant_method: z.literal('fp8'),
  fmt: z.enum(['e4m3', 'float8_e4m3fn']).nullish(),
  activation_scheme: z.literal('dynamic').nullish(),
  weight_block_size: z.tuple([z.literal(FP8_BLOCK), z.literal(FP8_BLOCK)]),
});

const int8 = { num_bits: z.literal(8), type: z.literal('int'), symmetric: z.literal(true).nullish() };

/** Source: compressed-tensors, quantization/quant_config.py and quant_scheme.py. */
const compressedTensors = z.looseObject({
  quant_method: z.literal('compressed-tensors'),
  format: z.literal('int-quantized').nullish(),
  quantization_status: z.literal('compressed').nullish(),
  kv_cache_scheme: z.null('a quantised KV cache is not supported').optional(),
  sparsity_config: z.looseObject({ format: z.literal('dense').nullish() }).nullish(),
  config_groups: z.record(
    z.string(),
    z.looseObject({
      weights: z.looseObject({
        ...int8,
        strategy: z.literal('channel'),
        dynamic: z.literal(false).nullish(),
        actorder: z.null('reordered activations are not supported').optional(),
      }),
      input_activations: z.looseObject({ ...int8, strategy: z.literal('token'), dynamic: z.literal(true) }),
      output_activations: z.null('quantised outputs are not supported').optional(),
    }),
  ),
});

/** @param json The field's value; absent or null in a checkpoint of plain floats. */
export function parseQuantization(json: unknown, place: Place): Quantization {
  if (json == null) return 'none';
  const placeInside: Place = (path) => place(path === '' ? 'quantization_config' : `quantization_config.${path}`);
  const method: unknown = (json as { quant_method?: unknown }).quant_method;
  switch (method) {
    case 'fp8':
      parseWith(fp8, json, placeInside);
      return 'fp8-block';
    case 'compressed-tensors':
      parseWith(compressedTensors, json, placeInside);
      return 'int8-channel';
    default:
      throw new ModelError(
        placeInside('quant_method'),
        `is ${JSON.stringify(method)}, supported are fp8 (block-scaled) and compressed-tensors (W8A8)`,
      );
  }
}
