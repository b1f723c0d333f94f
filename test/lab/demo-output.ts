/** How the demo tells what it does. */

import type {LabPod} from './lab-pod.ts';
import {type Cell, failedCells} from './matrix.ts';

export function heading(text: string): void {
  console.log(`\n-- ${text}`);
}

/** One line for one piece of work, with the time it took. */
export async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  process.stdout.write(`* ${name} `);
  const beganMs = performance.now();
  const result = await work();
  console.log(` ${((performance.now() - beganMs) / 1000).toFixed(2)} s`);
  return result;
}

/** A row per sending pod. */
export function printMatrix(pods: readonly LabPod[], cells: readonly Cell[]): void {
  heading('milliseconds for the megabyte there and back (XX: something failed)');
  const width = 8;
  console.log(['from \\ to', ...pods.map((pod) => pod.name)].map((text) => text.padStart(width + 1)).join(''));
  for (const from of pods) {
    const row = pods.map((to) => {
      const pair = cells.filter((cell) => cell.from === from && cell.to === to);
      if (pair.length === 0) return '-';
      return failedCells(pair).length === 0 ? (pair.find((cell) => cell.probe === 'tcp')?.ms ?? 0).toFixed(1) : 'XX';
    });
    console.log([from.name, ...row].map((text) => text.padStart(width + 1)).join(''));
  }
}
