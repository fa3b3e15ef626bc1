// Reads flags and environment into the values of an option table. Pure: it is given argv and env and returns every
// problem it finds, so that the user sees the whole list at once. Flags win over variables, variables over defaults.
import { type ConfigOf, envName, kebabCase, type Option, type OptionTable } from './option.js';

export type Origin = 'flag' | 'environment' | 'default';

export interface ParsedConfig {
  values: Record<string, unknown>;
  origins: Record<string, Origin>;
  /** One sentence each; empty when all is well. */
  problems: string[];
  help: boolean;
  printConfig: boolean;
}

export interface ConfigSources {
  argv: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** Variables that other tables know; they are no mistakes here. */
  knownVariables: ReadonlySet<string>;
}

/** What is wrong with values that are each right, a sentence each; asked only when they all are. */
export type ConfigCheck<O extends OptionTable> = (values: ConfigOf<O>) => readonly string[];

interface Raw {
  texts: string[];
  origin: Origin;
  /** How the user wrote it, for messages. */
  source: string;
}

const builtIn = new Set(['help', 'print-config']);

export function parseConfig<O extends OptionTable>(
  options: O,
  sources: ConfigSources,
  check: ConfigCheck<O> = () => [],
): ParsedConfig {
  const problems: string[] = [];
  const flags = readFlags(options, sources.argv, problems);
  const variables = readVariables(options, sources, problems);
  const parsed: ParsedConfig = {
    values: {},
    origins: {},
    problems,
    help: flags.has('help'),
    printConfig: flags.has('print-config'),
  };
  for (const [name, option] of Object.entries(options)) {
    const raw = flags.get(kebabCase(name)) ?? variables.get(name);
    parsed.origins[name] = raw?.origin ?? 'default';
    parsed.values[name] = raw ? convert(option, raw, problems) : defaultOf(name, option, problems);
  }
  if (problems.length === 0) problems.push(...check(parsed.values as ConfigOf<O>));
  return parsed;
}

function readFlags(options: OptionTable, argv: readonly string[], problems: string[]): Map<string, Raw> {
  const byFlag = new Map(Object.entries(options).map(([name, option]) => [kebabCase(name), option]));
  const found = new Map<string, Raw>();
  for (let argIdx = 0; argIdx < argv.length; argIdx++) {
    const arg = argv[argIdx] ?? '';
    const match = /^--([a-z0-9-]+)(?:=(.*))?$/s.exec(arg);
    if (!match?.[1]) {
      problems.push(`unexpected argument '${arg}': options are written --name VALUE or --name=VALUE`);
      continue;
    }
    const [, name, inline] = match;
    const option = byFlag.get(name);
    if (builtIn.has(name)) found.set(name, { texts: [], origin: 'flag', source: arg });
    else if (option?.kind === 'flag') setOnce(found, name, inline ?? 'true', problems);
    else if (option) {
      const text = inline ?? argv[++argIdx];
      if (text === undefined) problems.push(`--${name} needs a value${option.unit ? ` (${option.unit})` : ''}`);
      else if (option.kind === 'list') append(found, name, text);
      else setOnce(found, name, text, problems);
    } else if (name.startsWith('no-') && byFlag.get(name.slice(3))?.kind === 'flag') {
      setOnce(found, name.slice(3), 'false', problems);
    } else problems.push(`unknown option --${name}${suggestion(name, [...byFlag.keys()])}`);
  }
  return found;
}

function setOnce(found: Map<string, Raw>, name: string, text: string, problems: string[]): void {
  if (found.has(name)) problems.push(`--${name} is given twice`);
  found.set(name, { texts: [text], origin: 'flag', source: `--${name}` });
}

function append(found: Map<string, Raw>, name: string, text: string): void {
  const raw = found.get(name) ?? { texts: [], origin: 'flag', source: `--${name}` };
  raw.texts.push(text);
  found.set(name, raw);
}

function readVariables(options: OptionTable, sources: ConfigSources, problems: string[]): Map<string, Raw> {
  const byVariable = new Map(Object.keys(options).map((name) => [envName(name), name]));
  const found = new Map<string, Raw>();
  for (const [variable, text] of Object.entries(sources.env)) {
    if (!variable.startsWith('SWITCHYARD_') || text === undefined) continue;
    const name = byVariable.get(variable);
    if (name) {
      const texts = options[name]?.kind === 'list' ? listOf(text) : [text];
      found.set(name, { texts, origin: 'environment', source: variable });
    } else if (!sources.knownVariables.has(variable)) {
      problems.push(`unknown variable ${variable}${suggestion(variable, [...byVariable.keys()])}`);
    }
  }
  return found;
}

/** An entry may be empty, so that its schema can refuse it: left out, it would shift those after it. */
function listOf(text: string): string[] {
  return text === '' ? [] : text.split(',');
}

function convert(option: Option, raw: Raw, problems: string[]): unknown {
  if (option.kind === 'list') return raw.texts.map((text) => convertOne(option, text, raw.source, problems));
  return convertOne(option, raw.texts[0] ?? '', raw.source, problems);
}

function convertOne(option: Option, text: string, source: string, problems: string[]): unknown {
  const result = option.schema.safeParse(option.kind === 'flag' ? booleanOf(text) : text);
  if (result.success) return result.data;
  const reasons = result.error.issues.map((issue) => issue.message).join('; ');
  problems.push(`${source}: '${text}' is wrong: ${reasons}${option.unit ? ` (${option.unit})` : ''}`);
  return undefined;
}

function booleanOf(text: string): unknown {
  if (['true', '1', 'yes', 'on'].includes(text.toLowerCase())) return true;
  if (['false', '0', 'no', 'off'].includes(text.toLowerCase())) return false;
  return text;
}

function defaultOf(name: string, option: Option, problems: string[]): unknown {
  if (option.default !== undefined) return option.default;
  if (!option.schema.safeParse(undefined).success) problems.push(`--${kebabCase(name)} is required: ${option.help}`);
  return undefined;
}

/** `, did you mean X?` for a near miss. */
function suggestion(name: string, candidates: string[]): string {
  const near = candidates
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= Math.max(2, name.length / 4) ? `, did you mean ${near.candidate}?` : '';
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, idx) => idx);
  for (let aIdx = 1; aIdx <= a.length; aIdx++) {
    const current = [aIdx];
    for (let bIdx = 1; bIdx <= b.length; bIdx++) {
      const substitute = (previous[bIdx - 1] ?? 0) + (a[aIdx - 1] === b[bIdx - 1] ? 0 : 1);
      current.push(Math.min(substitute, (previous[bIdx] ?? 0) + 1, (current[bIdx - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}
