// Rotary settings of a GGUF file in the form of `rope_parameters` of a config.json. Used by gguf/config.ts.
// Source: llama.cpp, src/llama-model.cpp (load_hparams) and llama-context.cpp (yarn_attn_factor).
import type { ArchitectureKeys } from './architecture-keys.js';

/** Which key a field of `rope_parameters` comes from, for errors. */
export const ropeScalingKeys: Readonly<Record<string, string>> = {
  'rope_parameters.rope_type': 'rope.scaling.type',
  'rope_parameters.factor': 'rope.scaling.factor',
  'rope_parameters.original_max_position_embeddings': 'rope.scaling.original_context_length',
  'rope_parameters.beta_fast': 'rope.scaling.yarn_beta_fast',
  'rope_parameters.beta_slow': 'rope.scaling.yarn_beta_slow',
  'rope_parameters.mscale': 'rope.scaling.yarn_log_multiplier',
  'rope_parameters.mscale_all_dim': 'rope.scaling.yarn_log_multiplier',
  'rope_parameters.attention_factor': 'rope.scaling.attn_factor',
};

/** The factor of mscale in YaRN's 0.1 * mscale * ln(factor) + 1, which yarn_log_multiplier contains for MLA. */
const LOG_MULTIPLIER = 0.1;

export function ropeParameters(keys: ArchitectureKeys, isMla: boolean): Record<string, unknown> {
  const factor = keys.number('rope.scaling.factor') ?? keys.number('rope.scale_linear') ?? 0;
  const type = keys.text('rope.scaling.type') ?? (factor > 0 && factor !== 1 ? 'linear' : 'none');
  if (type === 'none') return { rope_type: 'default' };
  if (type !== 'yarn') return { rope_type: type, factor };
  return { ...yarnParameters(keys, factor, isMla) };
}

function yarnParameters(keys: ArchitectureKeys, factor: number, isMla: boolean): Record<string, unknown> {
  const attnFactor = keys.number('rope.scaling.attn_factor') ?? keys.number('rope.scaling.yarn_attn_factor') ?? 1;
  const original = keys.number('rope.scaling.original_context_length') ?? keys.number('context_length');
  return {
    rope_type: 'yarn',
    factor,
    original_max_position_embeddings: original,
    beta_fast: keys.number('rope.scaling.yarn_beta_fast'),
    beta_slow: keys.number('rope.scaling.yarn_beta_slow'),
    ...mscales(keys.number('rope.scaling.yarn_log_multiplier') ?? 0, isMla),
    ...(attnFactor !== 1 && { attention_factor: attnFactor * (1 + LOG_MULTIPLIER * Math.log(factor)) }),
    // ggml rounds the ends of the ramp.
    truncate: true,
  };
}

/** In MLA cosine and sine stay as they are and the scores grow; other architectures have mscale_all_dim itself and an mscale of 1. */
function mscales(logMultiplier: number, isMla: boolean): Record<string, number> {
  if (logMultiplier === 0) return {};
  if (!isMla) return { mscale: 1, mscale_all_dim: logMultiplier };
  const mscale = logMultiplier / LOG_MULTIPLIER;
  return { mscale, mscale_all_dim: mscale };
}
