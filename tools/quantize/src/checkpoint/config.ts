// config.json of a W8A8 checkpoint: that of its source with another `quantization_config`. Pure. Called by write-checkpoint.ts.
// Source: compressed-tensors, quantization/quant_config.py, quant_scheme.py (INT8_W8A8); libs/model/src/quantization.ts reads it.

/** @param ignore Names of the modules that stay in floats. */
export function quantizedConfig(config: object, ignore: readonly string[]): object {
  return { ...config, quantization_config: quantizationConfig(ignore) };
}

function quantizationConfig(ignore: readonly string[]): object {
  const common = { num_bits: 8, type: 'int', symmetric: true };
  return {
    quant_method: 'compressed-tensors',
    format: 'int-quantized',
    quantization_status: 'compressed',
    kv_cache_scheme: null,
    config_groups: {
      group_0: {
        targets: ['Linear'],
        weights: { ...common, strategy: 'channel', dynamic: false },
        input_activations: { ...common, strategy: 'token', dynamic: true },
        output_activations: null,
      },
    },
    ignore,
  };
}
