// Declares options: a table from which flags, environment variables, --help, --print-config and docs/env.md all follow.
// `queueDepth` is `--queue-depth` and `SWITCHYARD_QUEUE_DEPTH`; the same option has the same name in every app.
import { z } from 'zod';

/** value: `--name VALUE`; flag: `--name`, `--no-name`, `--name=false`; list: may be given several times, or comma-separated in the environment. */
export type OptionKind = 'value' | 'flag' | 'list';

export interface Option<T = unknown> {
  kind: OptionKind;
  /** Checks and converts the text given (for a list, each text of it). */
  schema: z.ZodType;
  /** Absent: the option must be given unless its schema takes `undefined`. */
  default?: T;
  /** Unit or form of the value, for --help: 'ms', 'bytes', 'HOST:PORT'. */
  unit?: string;
  help: string;
  /** Never printed. */
  secret?: boolean;
}

export type OptionTable = Record<string, Option>;

/** The values of a table, by option name. */
export type ConfigOf<O extends OptionTable> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

interface OptionSpec<T> {
  default?: T;
  unit?: string;
  help: string;
  secret?: boolean;
}

/** An option with one value; the schema gets the text as it was typed. */
export function option<S extends z.ZodType>(spec: OptionSpec<z.output<S>> & { schema: S }): Option<z.output<S>> {
  return { kind: 'value', ...spec };
}

/** A switch, off by default. */
export function flag(spec: { default?: boolean; help: string }): Option<boolean> {
  return { kind: 'flag', schema: z.boolean(), default: false, ...spec };
}

/** An option that may be given several times; empty by default. The schema checks one value. */
export function list<S extends z.ZodType>(spec: OptionSpec<z.output<S>[]> & { schema: S }): Option<z.output<S>[]> {
  return { kind: 'list', default: [], ...spec };
}

/** Names a table; nothing but the types. */
export function defineOptions<const O extends OptionTable>(options: O): O {
  return options;
}

/** `queueDepth` to `queue-depth`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `queueDepth` to `SWITCHYARD_QUEUE_DEPTH`. */
export function envName(name: string): string {
  return `SWITCHYARD_${kebabCase(name).replaceAll('-', '_').toUpperCase()}`;
}
