// `npm run traces`: receives traces by OTLP/HTTP and prints each as a tree, until Ctrl-C. For a person at a terminal;
// anything that keeps or searches traces is the work of a real backend.
import { parseArgs } from 'node:util';
import { Collector } from './collector.js';
import { startReceiver } from './receiver.js';
import { renderTrace } from './tree.js';

const usage = `npm run traces -- [--port N] [--quiet-ms N] [--attributes] [--all] [--events]

  --port N        receive OTLP/HTTP on 127.0.0.1:N (default 4318)
  --quiet-ms N    print a trace when no span of it came for so long (default 2000)
  --attributes    show every attribute
  --all           show each of many equal spans
  --events        show each event of a span, such as the calls of the data plane, on a line of its own
`;

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '4318' },
    'quiet-ms': { type: 'string', default: '2000' },
    attributes: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    events: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) process.stdout.write(usage);
else await run().catch((error) => fail(error));

/** A taken port, most likely. */
function fail(error: unknown): void {
  process.stderr.write(`traces: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const collector = new Collector(Number(values['quiet-ms']), (spans) =>
    process.stdout.write(`\n${renderTrace(spans, values)}\n`),
  );
  const address = { host: '127.0.0.1', port: Number(values.port) };
  const receiver = await startReceiver(address, (spans) => collector.add(spans));
  process.stdout.write(`Waiting for traces; start services with OTEL_EXPORTER_OTLP_ENDPOINT=${receiver.endpoint}\n`);
  process.once('SIGINT', () => {
    collector.close();
    void receiver.close();
  });
}
