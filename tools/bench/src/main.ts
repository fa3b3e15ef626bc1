// The one driver of all benches: `npm run bench -- SUITE [options]`. Prints a table, writes JSON when asked.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeCommit, describeMachine } from './machine.js';
import { findSuite, SUITES } from './registry.js';
import { type Report, rowOf } from './row.js';
import type { BenchContext, Suite } from './suite.js';
import { tableOf } from './table.js';

const REPO_ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const USAGE = `npm run bench -- SUITE [--runs N] [--only REGEX] [--json FILE] [--fetch-peers]

suites:
${SUITES.map((suite) => `  ${suite.name.padEnd(8)} ${suite.summary}`).join('\n')}

options:
  --runs N      measure each case N times (default 3)
  --only REGEX  only rows whose case matches
  --json FILE   also write the report as JSON (format: CONTRIBUTING.md)
  --fetch-peers first install what the suite compares with (engine)`;

async function main(argv: string[]): Promise<void> {
  const options = {
    json: { type: 'string' },
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '3' },
    'fetch-peers': { type: 'boolean', default: false },
    help: { type: 'boolean' },
  } as const;
  const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
  const [name, ...rest] = positionals;
  if (values.help || name === undefined || rest.length > 0) {
    console.log(USAGE);
    if (!values.help) process.exitCode = 1;
    return;
  }
  const suite = findSuite(name);
  const only = new RegExp(values.only);
  const context: BenchContext = {
    repoRoot: REPO_ROOT,
    numRuns: parseRuns(values.runs),
    isWanted: (caseName) => only.test(caseName),
    progress: (line) => console.error(line),
  };
  if (values['fetch-peers']) await fetchPeers(suite, context);
  const measurements = (await suite.run(context)).filter((measurement) => context.isWanted(measurement.case));
  const report: Report = {
    suite: suite.name,
    commit: describeCommit(REPO_ROOT),
    machine: describeMachine(),
    rows: measurements.map(rowOf),
  };
  console.log(tableOf(report));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

async function fetchPeers(suite: Suite, context: BenchContext): Promise<void> {
  if (suite.fetchPeers === undefined) throw new Error(`--fetch-peers: suite ${suite.name} has none to fetch`);
  context.progress('fetching peers');
  await suite.fetchPeers(context);
}

function parseRuns(text: string): number {
  const runs = Number(text);
  if (!Number.isInteger(runs) || runs < 1 || runs > 1_000)
    throw new Error(`--runs ${text}: not a whole number from 1 to 1000`);
  return runs;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
