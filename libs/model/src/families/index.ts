// All families, and the choice between them. A new one is a file beside this and a line here.
import { ModelError } from '../error.js';
import type { Family } from '../family.js';
import { deepseekV2 } from './deepseek-v2.js';
import { deepseekV3 } from './deepseek-v3.js';
import { glm4Moe } from './glm4-moe.js';
import { kimiK2 } from './kimi-k2.js';
import { llama } from './llama.js';
import { minimaxM2 } from './minimax-m2.js';
import { mistral } from './mistral.js';
import { mixtral } from './mixtral.js';
import { olmoe } from './olmoe.js';
import { qwen2 } from './qwen2.js';
import { qwen2Moe } from './qwen2-moe.js';
import { qwen3 } from './qwen3.js';
import { qwen3Moe } from './qwen3-moe.js';

/** Of families of one architecture, the first is meant where a configuration has no model_type. */
export const families: readonly Family[] = [
  deepseekV2,
  deepseekV3,
  kimiK2,
  qwen3Moe,
  qwen2Moe,
  glm4Moe,
  minimaxM2,
  olmoe,
  mixtral,
  llama,
  mistral,
  qwen3,
  qwen2,
];

/** The family of a spec. */
export function familyOf(spec: { family: Family['name'] }): Family {
  return families.find((family) => family.name === spec.family) as Family;
}

/**
 * The family of a config.json.
 *
 * @throws ModelError at `architectures`, with the names this version knows.
 */
export function findFamily(config: Record<string, unknown>, file: string): Family {
  const { architectures, model_type: modelType } = config;
  const architecture: unknown =
    Array.isArray(architectures) && architectures.length === 1 ? architectures[0] : undefined;
  const candidates = families.filter((family) => family.architecture === architecture);
  if (candidates.length === 0) {
    const known = [...new Set(families.map((family) => family.architecture))].join(', ');
    throw new ModelError(`${file}:architectures`, `is ${JSON.stringify(architectures)}, supported is one of ${known}`);
  }
  const family = modelType == null ? candidates[0] : candidates.find((one) => one.modelType === modelType);
  if (family) return family;
  const known = candidates.map((one) => one.modelType).join(' or ');
  throw new ModelError(
    `${file}:architectures`,
    `is ${architecture}, which goes with model_type ${known}, not ${JSON.stringify(modelType)}`,
  );
}
