// Finds source files that nothing reaches. A project's entries are src/index.ts, src/main.ts and whatever its manifest or
// the root's names as dist/X.js; from there the imports are followed. Tests do not keep a file alive.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Finding } from './finding.js';
import type { CheckedProject, SourceFile, SourceTree } from './source-tree.js';

export function checkDeadFiles(tree: SourceTree): Finding[] {
  const rootManifest = readFileSync(join(tree.root, 'package.json'), 'utf8');
  return tree.projects.flatMap((project) => {
    const manifest = readFileSync(join(tree.root, project.dir, 'package.json'), 'utf8');
    const sources = new Map(project.files.filter((file) => isSource(project, file)).map((file) => [file.path, file]));
    const reached = reach(sources, entriesOf(project, manifest, rootManifest));
    return [...sources.keys()]
      .filter((path) => !reached.has(path))
      .map((path) => ({ where: path, what: 'nothing reaches this file from the entries of its project' }));
  });
}

function isSource(project: CheckedProject, file: SourceFile): boolean {
  return file.path.startsWith(`${project.dir}/src/`) && !file.path.endsWith('.test.ts');
}

function entriesOf(project: CheckedProject, manifest: string, rootManifest: string): string[] {
  const own = [...manifest.matchAll(/\.\/dist\/([\w/-]+)\.js/g)].map((match) => match[1]);
  const fromRoot = [...rootManifest.matchAll(/([\w/-]+)\/dist\/([\w/-]+)\.js/g)]
    .filter((match) => match[1] === project.dir)
    .map((match) => match[2]);
  return ['index', 'main', ...own, ...fromRoot].map((name) => `${project.dir}/src/${name}.ts`);
}

function reach(sources: Map<string, SourceFile>, entries: readonly string[]): Set<string> {
  const reached = new Set<string>();
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = sources.get(path);
    if (!file || reached.has(path)) continue;
    reached.add(path);
    queue.push(...file.imports.map(({ text }) => join(dirname(file.path), text.replace(/\.js$/, '.ts'))));
  }
  return reached;
}
