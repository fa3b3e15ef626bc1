// A report as a table for people. Pure.
import type { JudgedBar, Report, Row, Yardstick } from './row.js';

const HEADINGS = ['case', 'unit', 'better', 'ours', 'peer', 'limit', 'runs', 'spread', 'bars'];

export function tableOf(report: Report): string {
  const lines = [HEADINGS, ...report.rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const title = `suite ${report.suite}, commit ${report.commit}, ${report.machine}`;
  return [title, '', ...text, ...footnotesOf(report.rows), ...summaryOf(report.rows)].join('\n');
}

/** Extras of a row on a line; a note that several rows share just once. */
function footnotesOf(rows: readonly Row[]): string[] {
  const extras = rows.flatMap(({ case: name, extras }) => {
    const figures = Object.entries(extras).map(([what, value]) => `${what} ${figure(value)}`);
    return figures.length > 0 ? [`${name}: ${figures.join(', ')}`] : [];
  });
  const notes = [...new Set(rows.flatMap((row) => row.notes))].map((note) => {
    const names = rows.filter((row) => row.notes.includes(note)).map((row) => row.case);
    return `${names.join(', ')}: ${note}`;
  });
  return extras.length + notes.length > 0 ? ['', ...extras, ...notes] : [];
}

function summaryOf(rows: readonly Row[]): string[] {
  const bars = rows.flatMap((row) => row.bars.map((bar) => ({ name: row.case, holds: bar.holds })));
  if (bars.length === 0) return [];
  const missed = bars.filter((bar) => bar.holds === false).map((bar) => bar.name);
  const numHeld = bars.filter((bar) => bar.holds === true).length;
  const numOpen = bars.length - numHeld - missed.length;
  const names = missed.length > 0 ? ` (${missed.join(', ')})` : '';
  return ['', `bars: ${numHeld} held, ${missed.length} missed${names}, ${numOpen} without a yardstick`];
}

function cellsOf(row: Row): string[] {
  return [
    row.case,
    row.unit,
    row.better,
    figure(row.ours),
    against(row.peer, row.ratioToPeer),
    against(row.limit, row.ratioToLimit),
    String(row.runs),
    `${(row.spread * 100).toFixed(0)}%`,
    row.bars.map((bar) => barText(bar, row.better)).join('; '),
  ];
}

function barText({ against, bound, ratio, holds }: JudgedBar, better: Row['better']): string {
  const rule = `${better === 'lower' ? '<=' : '>='} ${bound} of ${against}`;
  if (ratio === null) return `${rule}: not judged`;
  return `${rule}: ${holds ? 'held' : 'MISSED'} (${ratio.toFixed(2)})`;
}

function against(yardstick: Yardstick | null, ratio: number | null): string {
  if (yardstick === null) return '-';
  const times = ratio === null ? '' : `, ours is ${ratio.toFixed(2)} of it`;
  return `${figure(yardstick.value)} (${yardstick.name}${times})`;
}

/** Three significant digits, without an exponent. */
function figure(value: number): string {
  const decimals = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(decimals, 6));
}
