// Sizes that all ranks of a system must agree on, or that follow from the model and its policy: the KV pool and the A2E/E2A slots.
// Used by the wiring of every app that has an XCCL rank.
import { ServiceError } from '@switchyard/kit';
import { cacheRowBytes, expertRowBytes, type ModelSpec } from '@switchyard/model';
import type { OpenedModel } from '@switchyard/model-files';
import type { ExchangeShape } from '@switchyard/native';

export interface KvPoolShape {
  numBlocks: number;
  blockTokens: number;
  /** The blocks and their generation table: what the communicator's app area must hold. */
  regionBytes: number;
}

/** What sizes follow from. */
export type SizedModel = Pick<OpenedModel, 'spec' | 'policy'>;

const generationBytes = 8;
const alignmentBytes = 64;

/**
 * As many blocks as fit into `kvBytes` with their generations; a block holds `blockTokens` positions of all main layers, and of the MTP
 * layer where tokens are drafted. Throws INVALID_ARGUMENT when not even one sequence of two tokens fits.
 */
export function kvPoolShape(
  { spec, policy }: SizedModel,
  kvBytes: number,
  blockTokens: number,
  numSpeculativeTokens: number,
): KvPoolShape {
  const numLayers = spec.numLayers + (numSpeculativeTokens > 0 ? 1 : 0);
  const blockBytes = numLayers * blockTokens * cacheRowBytes(spec, policy);
  const numBlocks = Math.floor((kvBytes - alignmentBytes) / (blockBytes + generationBytes));
  if (numBlocks < 1) {
    const text = `${kvBytes} bytes do not hold a KV block of ${blockTokens} tokens, which takes ${blockBytes} bytes`;
    throw new ServiceError('INVALID_ARGUMENT', text, { field: 'kv-bytes' });
  }
  const tableOffset = Math.ceil((numBlocks * blockBytes) / alignmentBytes) * alignmentBytes;
  return { numBlocks, blockTokens, regionBytes: tableOffset + numBlocks * generationBytes };
}

/** Rows of one A2E message; larger batches travel as several micro-batches. */
const maxExchangeTokens = 64;

/** What expert ranks share: the routed experts, or the FFNs of a dense model's layers, each an expert that every token visits. */
export function numFfnUnits(spec: ModelSpec): number {
  return spec.numExperts > 0 ? spec.numExperts : spec.numLayers;
}

/** Equal on all ranks that exchange. */
export function exchangeShape({ spec, policy }: SizedModel, numExpertRanks: number): ExchangeShape {
  return {
    maxTokens: maxExchangeTokens,
    rowBytes: expertRowBytes(spec, policy),
    topK: spec.numExperts > 0 ? spec.numExpertsPerToken : 1,
    maxLocalExperts: Math.ceil(numFfnUnits(spec) / numExpertRanks),
  };
}
