// Small helpers of the parts of config.ts.
import type { ConfigValues } from './config-fields.js';
import { ModelError } from './error.js';
import type { Choice } from './family.js';
import type { Place } from './parse-with.js';

/** A family's choice, looked up in the configuration where it is a field's. */
export type Choose = (choice: Choice<boolean>) => boolean;

/** @throws ModelError at the field unless the condition holds. */
export function check(condition: boolean, place: Place, field: string, problem: string): void {
  if (!condition) throw new ModelError(place(field), problem);
}

/** Required of every family. */
export function numLayersOf(config: ConfigValues): number {
  return config.num_hidden_layers as number;
}
