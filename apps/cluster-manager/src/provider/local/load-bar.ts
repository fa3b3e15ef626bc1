// What the bar below the lines of `npm start` says: how far the weights of each model are. Used by the local provider.
import { progressText } from '@switchyard/kit';
import { cluster } from '@switchyard/proto';
import type { Member } from '@switchyard/registry';

const phaseTexts: Partial<Record<cluster.LoadPhase, string>> = {
  [cluster.LoadPhase.HASHING]: 'reading',
  [cluster.LoadPhase.PACKING]: 'packing',
};

/** Of each model whose files somebody works on, the one that does. Pure. */
export function barText(members: readonly Member[]): string {
  const byModel = new Map<string, cluster.LoadProgress>();
  for (const { loading } of members) {
    if (loading && phaseTexts[loading.phase] !== undefined) byModel.set(loading.model, loading);
  }
  return [...byModel.values()].map(textOf).join('   ');
}

function textOf({ model, phase, doneBytes, totalBytes }: cluster.LoadProgress): string {
  return `${phaseTexts[phase]} ${model} ${progressText(Number(doneBytes), Number(totalBytes))}`;
}
