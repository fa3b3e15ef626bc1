// One JSON log line as a line for people. Used on a terminal, and by the cluster-manager for its children's lines.
import { inspect, styleText } from 'node:util';

const levels: Record<number, { label: string; style: 'gray' | 'cyan' | 'green' | 'yellow' | 'red' | 'magenta' }> = {
  10: { label: 'TRACE', style: 'gray' },
  20: { label: 'DEBUG', style: 'cyan' },
  30: { label: 'INFO ', style: 'green' },
  40: { label: 'WARN ', style: 'yellow' },
  50: { label: 'ERROR', style: 'red' },
  60: { label: 'FATAL', style: 'magenta' },
};

const omitted = new Set(['level', 'time', 'msg', 'member', 'err', 'span_id', 'trace_id', 'pid']);

/** `12:00:00.123 INFO  decode-0 text key=value`; a line that is no log record comes back as it is, after `member`. */
export function prettyLine(line: string, member: string, colour = onColourTerminal()): string {
  const record = parseRecord(line);
  if (!record) return `${member} ${line}`;
  const level = levels[Number(record.level)] ?? { label: 'LOG  ', style: 'gray' as const };
  const paint = (style: typeof level.style, text: string) => (colour ? styleText(style, text) : text);
  const head = [timeText(record.time), paint(level.style, level.label), paint('cyan', String(record.member ?? member))];
  return `${head.join(' ')} ${[String(record.msg ?? ''), ...fieldTexts(record)].join(' ')}${stackText(record.err)}`;
}

function onColourTerminal(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR;
}

function parseRecord(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function timeText(time: unknown): string {
  const date = new Date(Number(time));
  return Number.isNaN(date.getTime()) ? '--:--:--.---' : date.toISOString().slice(11, 23);
}

function fieldTexts(record: Record<string, unknown>): string[] {
  const fields = Object.entries(record).filter(([key]) => !omitted.has(key));
  if (typeof record.trace_id === 'string') fields.push(['trace', record.trace_id.slice(0, 8)]);
  return fields.map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : inspect(value, { breakLength: Infinity })}`,
  );
}

function stackText(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const stack: unknown = Reflect.get(error, 'stack') ?? Reflect.get(error, 'message');
  return typeof stack === 'string' ? `\n  ${stack.replaceAll('\n', '\n  ')}` : '';
}
