// The process's logger: JSON lines on standard output, or readable ones on a terminal, each with the ids of the span
// that is active. A vanished reader of standard output must not end a service, so EPIPE is dropped here.
import { trace } from '@opentelemetry/api';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { prettyLine } from './pretty.js';

export type { Logger };

export interface LogOptions {
  /** Id of this member, in each line. */
  member: string;
  level: string;
  format: 'auto' | 'json' | 'pretty';
}

export function createLogger(options: LogOptions): Logger {
  const pretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY === true);
  for (const stream of [process.stdout, process.stderr])
    stream.off('error', dropBrokenPipe).on('error', dropBrokenPipe);
  const show = (line: string) => (pretty ? `${prettyLine(line.trimEnd(), options.member)}\n` : line);
  return pino(
    {
      level: options.level,
      base: { member: options.member, pid: process.pid },
      timestamp: stdTimeFunctions.epochTime,
      mixin: activeSpanIds,
    },
    { write: (line: string) => void process.stdout.write(show(line)) },
  );
}

function activeSpanIds(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span ? { trace_id: span.traceId, span_id: span.spanId } : {};
}

function dropBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
}
