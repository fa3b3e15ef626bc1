// The types of workspaces.mjs, for TypeScript that is built (tools/checks) and cannot read JSDoc.

export interface Project {
  /** Package name, e.g. '@switchyard/base'. */
  name: string;
  /** Relative to the root, e.g. 'libs/base'. */
  dir: string;
  scripts: Record<string, string>;
  /** nx tags, e.g. ['layer:base']. */
  tags: string[];
  /** Names from `dependencies` and `devDependencies`. */
  dependencies: string[];
}

/** Parses a JSON file; the caller states what it holds. */
// biome-ignore lint/suspicious/noExplicitAny: the shape is the caller's knowledge, as with JSON.parse
export function readJson(path: string): any;

/** Every workspace project, sorted by folder. `root` is the repository's absolute path. */
export function listProjects(root: string): Project[];
