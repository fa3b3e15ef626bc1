// Looks at parsed JSON of which nothing is known yet. Used by what reads tokenizer.json and its companions.
import { TokenizerError } from './error.js';

/** Far above every published vocabulary; bounds the tables that a hostile file can ask for. */
const NUM_IDS_MAX = 1 << 22;

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether a value can be a token id. */
export function isId(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < NUM_IDS_MAX;
}

/** @throws TokenizerError naming the field. */
export function requireObject(value: unknown, field: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new TokenizerError(field, 'must be an object');
}

/** The elements of an array, none where the field is absent. @throws TokenizerError naming the field. */
export function optionalArray(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new TokenizerError(field, 'must be an array');
}

/** @throws TokenizerError naming the field. */
export function requireText(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  throw new TokenizerError(field, 'must be a text');
}

/** The `type` that tells the parts of a tokenizer.json from each other, in words for an error where there is none. */
export function typeOf(value: unknown): string {
  return String((value as { type?: unknown } | null | undefined)?.type);
}

/** The error for a part whose type has no row in a table, naming those that have one. */
export function unsupportedType(
  field: string,
  value: unknown,
  supported: Readonly<Record<string, unknown>>,
): TokenizerError {
  const known = Object.keys(supported).join(', ');
  return new TokenizerError(`${field}.type`, `is ${typeOf(value)}, supported is ${known}`);
}
