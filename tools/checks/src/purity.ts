// Domain code is pure: the simulator and the tests run the very code that serves. So projects of layer domain (their src,
// not their tests) have no I/O, no clock, no randomness and no environment; what they need of these comes in as arguments.
import type { Finding } from './finding.js';
import type { SourceTree } from './source-tree.js';

const impureNames = new Set([
  'Date',
  'performance',
  'Math.random',
  'crypto',
  'process',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'globalThis',
  'console',
]);

export function checkPurity(tree: SourceTree): Finding[] {
  const files = tree.projects
    .filter((project) => project.layer === 'domain')
    .flatMap((project) => project.files.filter((file) => file.path.startsWith(`${project.dir}/src/`)))
    .filter((file) => !file.path.endsWith('.test.ts'));
  return files.flatMap((file) => [
    ...file.imports
      .filter(({ text }) => text.startsWith('node:'))
      .map(({ text, line }) => ({ where: `${file.path}:${line}`, what: `domain code must not import ${text}` })),
    ...file.names
      .filter(({ text }) => impureNames.has(text))
      .map(({ text, line }) => ({
        where: `${file.path}:${line}`,
        what: `domain code must not use ${text}; take it as an argument`,
      })),
  ]);
}
