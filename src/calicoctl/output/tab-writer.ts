/**
 * Aligned columns as calicoctl prints them: each as wide as its widest cell and three spaces, five at least, spaces at
 * the end of a line included, and a blank line after the last row.
 */
import {escapeForTerminal} from './escape.ts';

const SMALLEST_WIDTH = 5;
const PADDING = 3;

export function formatTable(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(escapeForTerminal));
  const widths: number[] = [];
  for (const row of cells)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? SMALLEST_WIDTH, lengthOf(cell) + PADDING);
    });
  const lines = cells.map((row) => row.map((cell, i) => cell + ' '.repeat((widths[i] ?? 0) - lengthOf(cell))).join(''));
  return `${lines.join('\n')}\n\n`;
}

/** In characters of Unicode, as Go counts. */
const lengthOf = (text: string): number => Array.from(text).length;
