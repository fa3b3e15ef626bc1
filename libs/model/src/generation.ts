// Sampling defaults a model's author ships in generation_config.json. Called by libs/model-files for the router.
import { z } from 'zod';
import { parseWith, placeIn } from './parse-with.js';

/** What applies where a request leaves a sampling option out. Values as in SamplingParams (numeric contract D2). */
export interface SamplingDefaults {
  /** 0 is argmax. */
  temperature: number;
  /** 1 is off. */
  topP: number;
  /** 0 is off. */
  topK: number;
  /** 0 is off. */
  minP: number;
}

/** Defaults, and the fields of the file that ask for what the sampler does not have. */
export interface GenerationDefaults {
  sampling: SamplingDefaults;
  /** Names of fields that were not taken over. */
  ignored: string[];
}

const generationConfig = z.looseObject({
  do_sample: z.boolean().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(0).max(0xffffffff).nullish(),
  min_p: z.number().min(0).max(1).nullish(),
});

/** Fields that would change the distribution, with the value at which they do not. */
const neutralValues: Record<string, number> = {
  repetition_penalty: 1,
  typical_p: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  no_repeat_ngram_size: 0,
  num_beams: 1,
};

/**
 * Reads the sampling defaults. `do_sample: false` means temperature 0; what the file leaves out is off, temperature 1.
 *
 * @param json Parsed generation_config.json, or undefined when the model has none.
 * @throws ModelError for values out of range.
 */
export function parseGenerationDefaults(json: unknown): GenerationDefaults {
  const config = parseWith(generationConfig, json ?? {}, placeIn('generation_config.json'));
  const ignored = Object.entries(neutralValues)
    .filter(([name, neutral]) => (config[name] ?? neutral) !== neutral)
    .map(([name]) => name);
  return {
    sampling: {
      temperature: config.do_sample === false ? 0 : (config.temperature ?? 1),
      topP: config.top_p ?? 1,
      topK: config.top_k ?? 0,
      minP: config.min_p ?? 0,
    },
    ignored,
  };
}
