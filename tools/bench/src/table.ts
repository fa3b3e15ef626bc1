// A report as a table for people. Pure.
import type { Report, Row, Yardstick } from './row.js';

const HEADINGS = ['case', 'unit', 'better', 'ours', 'peer', 'limit', 'runs', 'spread'];

export function tableOf(report: Report): string {
  const lines = [HEADINGS, ...report.rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? '').length)));
  const text = lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return [`suite ${report.suite}, commit ${report.commit}, ${report.machine}`, '', ...text].join('\n');
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
  ];
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
