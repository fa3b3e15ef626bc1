// Validation of parsed JSON files by a zod schema, with this library's error. Used by the readers of configurations.
import type { z } from 'zod';
import { ModelError } from './error.js';

/** Validates against a schema; the first problem becomes a ModelError with the field's path ("config.json:rope_theta"). */
export function parseWith<T>(schema: z.ZodType<T>, json: unknown, file: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join('.');
  throw new ModelError(path ? `${file}:${path}` : file, issue?.message ?? 'is invalid');
}
