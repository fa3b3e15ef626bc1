// Which layers' KV the blocks of a rank hold. Ranks that hand blocks over have to agree on it: with the MTP layer's a block has another size.
import { task } from '@switchyard/proto';
import type { ExecutorInfo } from '../executor/executor.js';

/** In the order in which a block holds them. */
export function layerGroupsOf({ numSpeculativeTokens }: Pick<ExecutorInfo, 'numSpeculativeTokens'>): task.LayerGroup[] {
  const { MAIN, MTP } = task.LayerGroup;
  return numSpeculativeTokens > 0 ? [MAIN, MTP] : [MAIN];
}
