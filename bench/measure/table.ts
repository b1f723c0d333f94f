/** Reports as text: one table per bench, columns as wide as they need to be. */
import type {Report, Row} from './row.ts';
import type {Spread} from './spread.ts';

const HEAD = ['what', 'ours', 'peer', 'floor', 'ratio [min-max]', 'goal', ''] as const;

export function formatReport({name, notes, rows}: Report): string {
  const lines = [[...HEAD], ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((cells) => cells[column]?.length ?? 0)));
  const table = lines.map((cells) =>
    cells
      .map((cell, column) => pad(cell, widths[column] ?? 0, column))
      .join('  ')
      .trimEnd(),
  );
  return [`== ${name}`, ...notes.map((note) => `   ${note}`), '', ...table].join('\n');
}

function cellsOf({what, unit, ours, peer, floor, ratio, goal}: Row): string[] {
  return [
    what,
    `${formatSpread(ours)} ${unit}`,
    peer ? formatNumber(peer.median) : '-',
    floor ? formatNumber(floor.median) : '-',
    ratio ? `${formatNumber(ratio.median)} x ${ratio.to} [${formatNumber(ratio.min)}-${formatNumber(ratio.max)}]` : '-',
    goal ? `${goal.number}: ${goal.text}` : '-',
    goal ? (goal.isMet ? 'met' : 'MISSED') : '',
  ];
}

const formatSpread = ({min, median, max}: Spread): string =>
  min === max ? formatNumber(median) : `${formatNumber(median)} [${formatNumber(min)}-${formatNumber(max)}]`;

/** Three digits that mean something. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

const pad = (cell: string, width: number, column: number): string =>
  column === 0 || column >= HEAD.length - 2 ? cell.padEnd(width) : cell.padStart(width);
