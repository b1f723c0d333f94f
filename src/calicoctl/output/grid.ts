/** The tables of `calicoctl ipam`: lines of `+-|`, headings in the middle, numbers to the right. */
import {escapeForTerminal} from './escape.ts';

const NUMBER = /^-?(?:\d{1,3}(?:,\d{3})*|\d+)(?:\.\d+)?$/;

export function formatGrid(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(escapeForTerminal));
  const widths = headings.map((heading, i) => Math.max(heading.length, ...cells.map((row) => row[i]?.length ?? 0)));
  const rule = `+${widths.map((width) => '-'.repeat(width + 2)).join('+')}+\n`;
  const line = (row: readonly string[], align: (text: string, width: number) => string): string =>
    `|${widths.map((width, i) => ` ${align(row[i] ?? '', width)} `).join('|')}|\n`;
  const body = cells.map((row) =>
    line(row, (text, width) => (NUMBER.test(text) ? text.padStart(width) : text.padEnd(width))),
  );
  return `${rule}${line(headings, centred)}${rule}${body.join('')}${rule}`;
}

function centred(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return (' '.repeat(left) + text).padEnd(width);
}
