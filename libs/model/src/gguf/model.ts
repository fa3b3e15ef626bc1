// A GGUF file as a model: shape, weight plan and tokenizer from its header. Called by libs/model-files.
import { ModelError } from '../error.js';
import type { ModelSpec } from '../spec.js';
import { makeWeightPlan, type WeightPlanResult } from '../weight-plan.js';
import { parseGgufConfig } from './config.js';
import type { GgufHeader } from './header.js';
import { type GgufTokenizer, readGgufTokenizer } from './tokenizer.js';

export interface GgufModel extends WeightPlanResult {
  /** As the metadata describe the model; `spec` is what the tensors make of it (WeightPlanResult). */
  described: ModelSpec;
  tokenizer: GgufTokenizer;
}

/**
 * @param digest Hex digest for the plan.
 * @throws ModelError naming the file and the key or tensor of what is missing, contradictory or not supported.
 */
export function readGgufModel(header: GgufHeader, digest: string): GgufModel {
  const { spec: described, names } = parseGgufConfig(header);
  const tokenizer = readGgufTokenizer(header.metadata);
  if (tokenizer.tokens.length > described.vocabSize) {
    const problem = `has ${tokenizer.tokens.length} tokens, the embedding has ${described.vocabSize} rows`;
    throw new ModelError(`${header.metadata.file}:tokenizer.ggml.tokens`, problem);
  }
  const result = makeWeightPlan(described, header.tensors, digest, names);
  return { ...result, described, tokenizer };
}
