// Who may import whom among the TypeScript projects: app -> platform -> domain -> base, by the nx tag of each project.
// The rule is held twice: on the declared dependencies, which make nx's graph, and on every import, which must be declared.
import { dirname, join } from 'node:path';
import type { Finding } from './finding.js';
import type { CheckedProject, SourceFile, SourceTree } from './source-tree.js';

/** For each layer, the layers that it may depend on. 'native' is the C++ addon, whose one door is in a platform project. */
const allowedLayers: Record<string, readonly string[]> = {
  base: ['base'],
  wire: [],
  domain: ['domain', 'base'],
  platform: ['platform', 'wire', 'domain', 'base', 'native'],
  app: ['testkit', 'platform', 'wire', 'domain', 'base'],
  testkit: ['wire', 'base'],
  tool: ['testkit', 'platform', 'wire', 'domain', 'base'],
  test: ['testkit', 'tool', 'app', 'platform', 'wire', 'domain', 'base'],
  native: [],
};

const nativeDoor = 'libs/native';
const testkit = '@switchyard/testkit';

export function checkLayers(tree: SourceTree): Finding[] {
  const byName = new Map(tree.projects.map((project) => [project.name, project]));
  return tree.projects.flatMap((project) => [
    ...checkDependencies(project, byName),
    ...project.files.flatMap((file) => [
      ...checkImports(project, file),
      ...(project.dir === nativeDoor || project.layer === 'native' ? [] : checkNativeDoor(file)),
    ]),
  ]);
}

function checkDependencies(project: CheckedProject, byName: Map<string, CheckedProject>): Finding[] {
  const where = `${project.dir}/package.json`;
  const allowed = allowedLayers[project.layer];
  if (!allowed) {
    const known = Object.keys(allowedLayers).join(', ');
    return [{ where, what: `unknown layer '${project.layer}'; nx.tags needs one of layer:{${known}}` }];
  }
  return project.dependencies
    .flatMap((name) => byName.get(name) ?? [])
    .filter((dependency) => !allowed.includes(dependency.layer))
    .map((dependency) => ({
      where,
      what: `layer ${project.layer} must not depend on ${dependency.name} (layer ${dependency.layer})`,
    }));
}

function checkImports(project: CheckedProject, file: SourceFile): Finding[] {
  return file.imports.flatMap(({ text, line }) => {
    const what = text.startsWith('.') ? checkRelative(project, file, text) : checkPackage(project, file, text);
    return what === undefined ? [] : [{ where: `${file.path}:${line}`, what }];
  });
}

function checkRelative(project: CheckedProject, file: SourceFile, specifier: string): string | undefined {
  const target = join(dirname(file.path), specifier);
  // Only modules count: a test may name a fixture or a binary that lies elsewhere.
  if (!/\.m?[jt]s$/.test(target) || target.startsWith(`${project.dir}/`)) return undefined;
  if (project.layer === 'tool' && target.startsWith('tools/')) return undefined;
  if (project.layer === 'test' && !/^(apps|libs|native|tools)\//.test(target)) return undefined;
  return `'${specifier}' leaves the project; import the other project by its package name`;
}

function checkPackage(project: CheckedProject, file: SourceFile, specifier: string): string | undefined {
  if (specifier.startsWith('node:')) return undefined;
  const name = packageOf(specifier);
  if (project.layer === 'app' && name === testkit && !file.path.startsWith(`${project.dir}/test/`)) {
    return `'${name}' is for tests`;
  }
  if (name === project.name || project.dependencies.includes(name)) return undefined;
  // The root package.json provides the test runner to all.
  if (name === 'vitest' && !file.path.startsWith(`${project.dir}/src/`)) return undefined;
  if (name === 'vitest' && file.path.endsWith('.test.ts')) return undefined;
  return `'${name}' is not among the dependencies in ${project.dir}/package.json`;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function checkNativeDoor(file: SourceFile): Finding[] {
  return file.strings
    .filter(({ text }) => /[^.]\.node$/.test(text))
    .map(({ text, line }) => ({
      where: `${file.path}:${line}`,
      what: `'${text}': only ${nativeDoor} loads the addon`,
    }));
}
