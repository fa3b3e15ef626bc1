// Texts made from an option table: --help and --print-config. docs/env.md has its own renderer in tools/docs.
import { envName, kebabCase, type Option, type OptionTable } from './option.js';
import type { ParsedConfig } from './parse.js';

/** A value as text; undefined is ''. */
export function valueText(value: unknown): string {
  if (value === undefined) return '';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(valueText).join(',');
  return String(value);
}

const ofServices = { 'print-config': 'Print every option with its value and origin, then exit' };

export function renderHelp(name: string, summary: string, options: OptionTable): string {
  return [
    `${name}: ${summary}`,
    '',
    'Each option can also be set by a variable: --queue-depth is SWITCHYARD_QUEUE_DEPTH. Flags win.',
    '',
    renderOptions(options, ofServices),
  ].join('\n');
}

/** A line an option, --help last; `builtIn` are flags that no table has, with their help. */
export function renderOptions(options: OptionTable, builtIn: Readonly<Record<string, string>> = {}): string {
  const rows = Object.entries(options).map(([key, option]) => ({
    left: usage(key, option),
    right: explanation(option),
  }));
  const further = Object.entries({ ...builtIn, help: 'Print this, then exit' });
  rows.push(...further.map(([name, right]) => ({ left: `--${name}`, right })));
  const width = Math.max(...rows.map((row) => row.left.length));
  return rows.map((row) => `  ${row.left.padEnd(width)}  ${row.right}\n`).join('');
}

function usage(key: string, option: Option): string {
  const flag = `--${kebabCase(key)}`;
  return option.kind === 'flag' ? flag : `${flag} ${option.unit ?? 'VALUE'}`;
}

function explanation(option: Option): string {
  const repeated = option.kind === 'list' ? '; may be repeated' : '';
  const fallback = option.kind === 'flag' ? '' : valueText(option.default);
  return `${option.help}${repeated}${fallback === '' ? '' : ` [${fallback}]`}`;
}

/** Name, value and origin of every option; secrets are not shown. */
export function renderConfig(options: OptionTable, parsed: ParsedConfig): string {
  const rows = Object.keys(options).map((name) => [
    envName(name),
    options[name]?.secret && parsed.origins[name] !== 'default' ? '(hidden)' : valueText(parsed.values[name]) || '-',
    parsed.origins[name] ?? 'default',
  ]);
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ');
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`;
}
