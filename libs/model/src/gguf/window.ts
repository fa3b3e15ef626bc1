// Sliding windows of a GGUF file. Used by gguf/overrides.ts.
// Source: llama.cpp, llama-hparams.cpp (set_swa_pattern) and the converters of architectures that have windows. llama.cpp itself runs
// the architectures here without them; we do what the models' own code does with the same window.
import { ModelError } from '../error.js';
import type { ModelSpec } from '../spec.js';
import type { ArchitectureKeys } from './architecture-keys.js';

const WINDOW = 'attention.sliding_window';
const PATTERN = 'attention.sliding_window_pattern';

type Window = Pick<ModelSpec, 'slidingWindow' | 'slidingLayers'>;

/**
 * @param hasWindow Whether the architecture's families may have one.
 * @throws ModelError at the key of a window that the family does not have.
 */
export function windowOf(keys: ArchitectureKeys, spec: ModelSpec, hasWindow: boolean): Window {
  const window = keys.number(WINDOW) ?? 0;
  const layers = slidingLayersOf(keys, spec.numLayers);
  if (window === 0 || window >= spec.maxPositions || layers.length === 0)
    return { slidingWindow: 0, slidingLayers: [] };
  if (!hasWindow) throw new ModelError(keys.name(WINDOW), `is ${window}, ${spec.family} has no windows`);
  if (!Number.isInteger(window) || window < 0)
    throw new ModelError(keys.name(WINDOW), `is ${window}, must be a number of positions`);
  return { slidingWindow: window, slidingLayers: layers };
}

/** All without a pattern; all but every n-th where it is a number; else as it says for each layer. */
function slidingLayersOf(keys: ArchitectureKeys, numLayers: number): number[] {
  const pattern = keys.get(PATTERN) ?? 0;
  const layers = Array.from({ length: numLayers }, (_, layer) => layer);
  if (typeof pattern === 'number' && Number.isInteger(pattern) && pattern >= 0) {
    return layers.filter((layer) => pattern === 0 || layer % pattern < pattern - 1);
  }
  if (Array.isArray(pattern) && pattern.length >= numLayers) return layers.filter((layer) => Boolean(pattern[layer]));
  throw new ModelError(keys.name(PATTERN), `must be a whole number or have an entry for each of ${numLayers} layers`);
}
