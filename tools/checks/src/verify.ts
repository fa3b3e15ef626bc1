// `npm run verify:static`: every check that runs no test. Prints one line a check and what a failed one found, and goes
// through all of them before it ends with status 1. It changes no file: that is fix.ts.
import { resolve } from 'node:path';
import { listCommands } from './commands.js';
import { checkDeadFiles } from './dead-files.js';
import type { Finding } from './finding.js';
import { checkLayers } from './layers.js';
import { checkNativeIncludes } from './native-includes.js';
import { checkProjectShape } from './project-shape.js';
import { findProtoBaseline } from './proto-baseline.js';
import { checkPurity } from './purity.js';
import { type Outcome, runCommand } from './run-command.js';
import { readSourceTree } from './source-tree.js';

const root = resolve(import.meta.dirname, '../../..');

function report(name: string, run: () => Outcome): boolean {
  const startMs = Date.now();
  const { ok, output } = run();
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${((Date.now() - startMs) / 1000).toFixed(1)} s)`);
  if (!ok) console.error(output);
  return ok;
}

function toOutcome(findings: readonly Finding[]): Outcome {
  const lines = findings.map(({ where, what }) => `  ${where}: ${what}`);
  return { ok: findings.length === 0, output: lines.join('\n') };
}

function main(): number {
  const tree = readSourceTree(root);
  const results = [
    report('layers of TypeScript', () => toOutcome(checkLayers(tree))),
    report('purity of domain code', () => toOutcome(checkPurity(tree))),
    report('shape of projects', () => toOutcome(checkProjectShape(tree))),
    report('dead files', () => toOutcome(checkDeadFiles(tree))),
    report('includes of C++', () => toOutcome(checkNativeIncludes(root))),
    ...listCommands(root, findProtoBaseline(root)).map((check) =>
      report(check.name, () => runCommand(root, check.verify)),
    ),
  ];
  return results.every(Boolean) ? 0 : 1;
}

process.exitCode = main();
