// Reads what the rules need from one TypeScript file: its imports, the globals it uses and its strings. Called by
// source-tree.ts. It parses with the parser that vite ships, since TypeScript 7 has no compiler interface for JavaScript.
import { parseSync } from 'vite';

export interface Mention {
  text: string;
  /** 1-based. */
  line: number;
}

export interface ModuleFacts {
  /** Specifiers of imports, re-exports, `import()` and `new URL(specifier, import.meta.url)`. */
  imports: Mention[];
  /** Identifiers that are read as values or types, and `Math.random` style members of them ('Math.random'). */
  names: Mention[];
  /** String literals. */
  strings: Mention[];
}

interface Node {
  type: string;
  start: number;
  [key: string]: unknown;
}

/** `path` decides the dialect and names the file in errors. Throws an Error when the file does not parse. */
export function readModuleFacts(path: string, source: string): ModuleFacts {
  const { program, errors } = parseSync(path, source);
  const first = errors[0];
  if (first) throw new Error(`${path}: does not parse: ${first.message}`);
  const facts: ModuleFacts = { imports: [], names: [], strings: [] };
  const lineOf = makeLineLookup(source);
  walk(program as unknown as Node, (node) => collect(node, facts, lineOf(node.start)));
  return facts;
}

/** Calls `visit` for each node in the tree. Names of members and of properties are no nodes of their own here. */
function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  for (const [key, value] of Object.entries(node)) {
    if (isPlainName(node, key)) continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, visit);
  }
}

/** True for the `b` of `a.b` and of `{ b: 1 }`: a name that refers to nothing by itself. */
function isPlainName(node: Node, key: string): boolean {
  if (node.computed === true) return false;
  return key === 'property' || (key === 'key' && node.shorthand !== true);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as Node).type === 'string';
}

function collect(node: Node, facts: ModuleFacts, line: number): void {
  const specifier = importedBy(node);
  if (specifier !== undefined) facts.imports.push({ text: specifier, line });
  if (node.type === 'Identifier') facts.names.push({ text: node.name as string, line });
  if (node.type === 'MemberExpression') {
    const member = memberName(node);
    if (member !== undefined) facts.names.push({ text: member, line });
  }
  const text = stringOf(node);
  if (text !== undefined) facts.strings.push({ text, line });
}

const importTypes = new Set([
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]);

function importedBy(node: Node): string | undefined {
  if (importTypes.has(node.type)) return stringOf(node.source);
  const callee = node.callee as Node | undefined;
  if (node.type === 'NewExpression' && callee?.name === 'URL') return relativeUrl(node.arguments as Node[]);
  return undefined;
}

/** A worker or data file named by `new URL('./x.js', import.meta.url)` belongs to the module graph as an import does. */
function relativeUrl(args: Node[]): string | undefined {
  const text = stringOf(args[0]);
  return args.length === 2 && text?.startsWith('.') ? text : undefined;
}

function memberName(node: Node): string | undefined {
  const object = node.object as Node;
  const property = node.property as Node;
  if (node.computed === true || object.type !== 'Identifier') return undefined;
  return `${object.name as string}.${property.name as string}`;
}

function stringOf(node: unknown): string | undefined {
  if (!isNode(node) || node.type !== 'Literal') return undefined;
  return typeof node.value === 'string' ? node.value : undefined;
}

function makeLineLookup(source: string): (offset: number) => number {
  const starts = [0];
  for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}
