/** Smallest, middle and largest of a number of measured values. */

export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Throws when there is no value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [min] = sorted;
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) throw new Error('nothing was measured');
  const upper = sorted[Math.floor(sorted.length / 2)] ?? max;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? min;
  return {min, median: (lower + upper) / 2, max};
}

export const medianOf = (values: readonly number[]): number => spreadOf(values).median;

/** Ratio of each round's values, so that whatever slowed a round slowed both sides of it. */
export function ratiosOf(ours: readonly number[], theirs: readonly number[]): Spread {
  if (ours.length !== theirs.length) throw new Error(`${ours.length} rounds of ours, ${theirs.length} of theirs`);
  return spreadOf(ours.map((value, round) => value / (theirs[round] ?? Number.NaN)));
}
