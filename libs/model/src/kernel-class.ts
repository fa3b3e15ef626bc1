// In which kernel class a model is served (docs/numerics.md, "Split latent attention"). Called when its description is opened.
import { ModelError } from './error.js';
import type { KernelClass, ModelSpec } from './spec.js';

/**
 * The kernel class that was asked for. Every model can be served in `fma16`.
 *
 * @throws ModelError for `mla-split` where no latent attention is there to split.
 */
export function chooseKernelClass(
  { family, attention }: Pick<ModelSpec, 'family' | 'attention'>,
  choice: KernelClass = 'fma16',
): KernelClass {
  if (choice !== 'mla-split' || attention === 'mla') return choice;
  const text = `is ${choice}, which is for latent attention (MLA), and a model of family ${family} has none: serve it with --kernel-class fma16`;
  throw new ModelError('kernel-class', text);
}
