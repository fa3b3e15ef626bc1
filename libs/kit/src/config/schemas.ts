// Schemas that several option tables share. Each takes the text of a flag or variable.
import { z } from 'zod';

const byteUnits: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** A size in bytes: `268435456`, `256MiB`, `256M`, `0.5GiB`. */
export function byteCount(range: { min?: number; max?: number } = {}): z.ZodType<number> {
  return z.string().transform((text, issues): number => {
    const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
    const numBytes = match ? Number(match[1]) * (byteUnits[(match[2] ?? '').toUpperCase()] ?? Number.NaN) : Number.NaN;
    const { min = 0, max = Number.MAX_SAFE_INTEGER } = range;
    if (Number.isInteger(numBytes) && numBytes >= min && numBytes <= max) return numBytes;
    issues.addIssue(`must be a number of bytes such as 268435456 or 256MiB, from ${min} to ${max}`);
    return z.NEVER;
  });
}

/** A whole number in a range. */
export function int(range: { min: number; max: number }): z.ZodType<number> {
  return z
    .string()
    .regex(/^-?\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(range.min).max(range.max));
}

/** `HOST:PORT` with a port above zero; an IPv6 host stands in brackets. */
export const hostPort: z.ZodType<string> = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s/[\]]+):\d{1,5}$/, 'must be HOST:PORT')
  .refine((text) => portOf(text) >= 1 && portOf(text) <= 65535, 'must have a port from 1 to 65535');

/** `unix:/absolute/path` or `HOST:PORT`. */
export const grpcAddress: z.ZodType<string> = z
  .string()
  .refine((text) => /^unix:\/./.test(text) || hostPort.safeParse(text).success, 'must be unix:/PATH or HOST:PORT');

function portOf(text: string): number {
  return Number(text.slice(text.lastIndexOf(':') + 1));
}
