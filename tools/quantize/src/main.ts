// `npm run quantize -- DIR --out DIR`: a W8A8 checkpoint of a model, and how far it is from its source.
import { readFileSync } from 'node:fs';
import { Terminal } from '@switchyard/kit';
import { parseCommand, USAGE } from './options.js';
import { quantize } from './quantize.js';

/** What a shell makes of a process that SIGINT has ended. */
const EXIT_INTERRUPTED = 130;

const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // Not once: a second one would end the process before it has cleaned up.
  process.on(signal, () => interruption.abort(new Error('interrupted, nothing half-written is left')));
}

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2));
  if (command.help) {
    process.stdout.write(USAGE);
    return;
  }
  const { dir, values } = command;
  const terminal = new Terminal(process.stdout);
  const text = values.measure ? readFileSync(values.text, 'utf8') : '';
  await quantize(dir, values, text, { terminal, signal: interruption.signal });
}

main().catch((error: unknown) => {
  process.stderr.write(`quantize: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = interruption.signal.aborted ? EXIT_INTERRUPTED : 1;
});
