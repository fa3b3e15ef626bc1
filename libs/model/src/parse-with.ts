// Validation of parsed JSON files by a zod schema, with this library's error. Used by the readers of configurations.
import type { z } from 'zod';
import { ModelError } from './error.js';

/** What a person calls a field, by its path in the JSON: '' is the whole of it. */
export type Place = (path: string) => string;

/** "config.json:rope_theta" */
export function placeIn(file: string): Place {
  return (path) => (path === '' ? file : `${file}:${path}`);
}

/** Validates against a schema; the first problem becomes a ModelError with the field's place. */
export function parseWith<T>(schema: z.ZodType<T>, json: unknown, place: Place): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ModelError(place(issue?.path.map(String).join('.') ?? ''), issue?.message ?? 'is invalid');
}
