// Assertions for programmer errors. They stay on in production; bad input from outside gets a typed error instead.

/** Throws when `condition` is false: a broken invariant of our own, never the user's fault. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Marks a place that the type system proves unreachable. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
