// Which models a system serves and what they are called: --model and --name together. Read by the cluster-manager, which starts
// processes for each model, and by the router, which offers them. Opens no file.
import { basename, resolve } from 'node:path';
import { ggufModelName } from '@switchyard/model';

export const GGUF_ENDING = '.gguf';

/** A model, and the name that clients ask for. */
export interface NamedModel {
  /** Hugging Face directory or GGUF file, as it was given. */
  path: string;
  name: string;
}

/** The name of a model that was given none: that of its directory, or of its GGUF file without ending and number of a part. */
export function modelNameOf(path: string): string {
  const file = basename(resolve(path));
  return file.endsWith(GGUF_ENDING) ? ggufModelName(file) : file;
}

/** The n-th name is that of the n-th path; paths beyond the names are called after their files. */
export function namedModels(paths: readonly string[], names: readonly string[]): NamedModel[] {
  return paths.map((path, idx) => ({ path, name: names[idx] ?? modelNameOf(path) }));
}

/** What keeps these lists from being the models of one system, a sentence each; empty when all is well. */
export function namedModelsProblems(paths: readonly string[], names: readonly string[]): string[] {
  if (paths.length === 0) return ['--model: at least one model is needed'];
  if (names.length > paths.length) {
    return [
      `--name is given ${times(names.length)} and --model ${times(paths.length)}: the n-th name is that of the n-th model`,
    ];
  }
  const problems: string[] = [];
  const pathOfName = new Map<string, string>();
  for (const { path, name } of namedModels(paths, names)) {
    const other = pathOfName.get(name);
    if (name === '') problems.push(`--model: '${path}' gives no name; give it one with --name`);
    else if (other !== undefined)
      problems.push(`--name: '${name}' is the name of ${other} and of ${path}; clients need two names`);
    else pathOfName.set(name, path);
  }
  return problems;
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}
