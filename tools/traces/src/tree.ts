// Draws one trace as a tree of lines: when a span began, how long it took, in which process, what it was. Pure.
import type { AttributeValue, Span, SpanEvent } from './span.js';

export interface TreeOptions {
  /** Show every attribute of every span. */
  attributes: boolean;
  /** Show each of many equal siblings, in place of one line for all of them. */
  all: boolean;
  /** Show each event of a span on a line of its own, in place of a word at the end of the span's line. */
  events: boolean;
}

/** Siblings without children, of one name and process, or a span's events of one name, that are folded into one when there are more. */
const numAloneMax = 3;

interface Node {
  span: Span;
  children: Node[];
}

/** A line of the tree: one span, or several equal ones. */
interface Row {
  nodes: [Node, ...Node[]];
}

/** All spans of one trace; at least one. Spans whose parent is unknown (the client's own, or not here yet) are roots. */
export function renderTrace(spans: readonly Span[], options: TreeOptions): string {
  const roots = nestSpans(spans);
  const originNs = minOf(spans.map(({ startUnixNs }) => startUnixNs));
  const endNs = spans.reduce((end, { endUnixNs }) => (endUnixNs > end ? endUnixNs : end), originNs);
  const memberWidth = Math.max(...spans.map(({ member }) => member.length));
  const head = `trace ${spans[0]?.traceId}: ${spans.length} spans, ${toMs(endNs - originNs)} ms`;
  const columns = `${'start ms'.padStart(10)}${'took ms'.padStart(10)}`;
  const lines = rowsOf(roots, options).flatMap((row) => renderRow(row, 0, { options, originNs, memberWidth }));
  return [head, columns, ...lines].join('\n');
}

function nestSpans(spans: readonly Span[]): Node[] {
  const nodes = new Map(spans.map((span): [string, Node] => [span.spanId, { span, children: [] }]));
  const roots: Node[] = [];
  const inOrder = [...nodes.values()].sort((a, b) => Number(a.span.startUnixNs - b.span.startUnixNs));
  for (const node of inOrder) (nodes.get(node.span.parentSpanId)?.children ?? roots).push(node);
  return roots;
}

/** Rows of siblings, in the order of their first span. */
function rowsOf(siblings: readonly Node[], { all, events }: TreeOptions): Row[] {
  const groups = new Map<string, Row>();
  for (const node of siblings) {
    const key = events && node.span.events.length > 0 ? node.span.spanId : groupKey(node);
    const group = groups.get(key);
    if (group) group.nodes.push(node);
    else groups.set(key, { nodes: [node] });
  }
  return [...groups.values()].flatMap((row): Row[] => {
    const isFolded = !all && row.nodes.length > numAloneMax;
    return isFolded ? [row] : row.nodes.map((node) => ({ nodes: [node] }));
  });
}

/** Spans with children or an error always stand alone. */
function groupKey({ span, children }: Node): string {
  const isPlain = children.length === 0 && span.error === undefined;
  return isPlain ? `${span.member} ${span.name}` : span.spanId;
}

interface Layout {
  options: TreeOptions;
  originNs: bigint;
  memberWidth: number;
}

function renderRow(row: Row, depth: number, layout: Layout): string[] {
  const [{ span, children }] = row.nodes;
  const durationNs = row.nodes.reduce((sum, node) => sum + node.span.endUnixNs - node.span.startUnixNs, 0n);
  const times = `${toMs(span.startUnixNs - layout.originNs).padStart(10)}${toMs(durationNs).padStart(10)}`;
  const line = `${times}  ${span.member.padEnd(layout.memberWidth)}  ${'  '.repeat(depth)}${titleOf(row, layout.options)}`;
  const events = layout.options.events ? renderEvents(span, depth + 1, layout) : [];
  return [line, ...events, ...rowsOf(children, layout.options).flatMap((child) => renderRow(child, depth + 1, layout))];
}

/** Names of what every call of the data plane carries, which is shown without it. */
const callPrefix = 'switchyard.xccl.';

/** Lines of a span that stands alone; of several that are folded none has events then. A call's duration stands in the column of times. */
function renderEvents({ events }: Span, depth: number, { originNs, memberWidth }: Layout): string[] {
  const inOrder = [...events].sort((a, b) => Number(a.unixNs - b.unixNs));
  return inOrder.map(({ name, unixNs, attributes }) => {
    const { [`${callPrefix}duration_ns`]: durationNs, ...shown } = Object.fromEntries(attributes);
    const took = durationNs === undefined ? '' : toMs(BigInt(String(durationNs)));
    const times = `${toMs(unixNs - originNs).padStart(10)}${took.padStart(10)}`;
    const texts = textsOf(new Map(Object.entries(shown))).map((text) => text.replace(callPrefix, ''));
    return `${times}  ${''.padEnd(memberWidth)}  ${'  '.repeat(depth)}. ${[name, ...texts].join(' ')}`;
  });
}

function titleOf({ nodes }: Row, options: TreeOptions): string {
  const [{ span }] = nodes;
  if (nodes.length > 1) return `${span.name} (${nodes.length} spans, times added up)`;
  return [
    span.name,
    ...(span.error === undefined ? [] : [`FAILED: ${span.error}`]),
    ...(options.events ? [] : eventTexts(span.events)),
    ...(options.attributes ? textsOf(span.attributes) : []),
  ].join(' ');
}

/** Each event in brackets, or how many of a name. */
function eventTexts(events: readonly SpanEvent[]): string[] {
  const names = new Set(events.map(({ name }) => name));
  return [...names].flatMap((name) => {
    const same = events.filter((event) => event.name === name);
    if (same.length > numAloneMax) return [`[${same.length} x ${name}]`];
    return same.map(({ attributes }) => `[${[name, ...textsOf(attributes)].join(' ')}]`);
  });
}

function textsOf(attributes: ReadonlyMap<string, AttributeValue>): string[] {
  return [...attributes].map(([key, value]) => `${key}=${value}`);
}

function toMs(ns: bigint): string {
  return (Number(ns) / 1e6).toFixed(2);
}

function minOf(values: readonly bigint[]): bigint {
  return values.reduce((least, value) => (value < least ? value : least));
}
