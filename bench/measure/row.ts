/** What a measurement says: one row, with the peer and the floor of the same run beside ours, and the goal. */
import {ratiosOf, type Spread, spreadOf} from './spread.ts';

export interface Ratio extends Spread {
  /** What ours is divided by. */
  readonly to: string;
}

export interface Goal {
  /** Number in the table of goals (docs/performance.md). */
  readonly number: number;
  readonly text: string;
  readonly isMet: boolean;
}

export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: Spread;
  readonly peer?: Spread | undefined;
  readonly floor?: Spread | undefined;
  readonly ratio?: Ratio | undefined;
  readonly goal?: Goal | undefined;
}

export interface Report {
  readonly name: string;
  /** What stands in the columns `peer` and `floor`, how often, and what else one has to know to read the rows. */
  readonly notes: readonly string[];
  readonly rows: readonly Row[];
}

/** The medians of the rounds, and what they are compared with. */
export interface Comparison {
  readonly what: string;
  readonly unit: string;
  readonly ours: readonly number[];
  readonly peer?: readonly number[] | undefined;
  readonly floor?: readonly number[] | undefined;
  /** Goal: the median of the ratios is at most `limit`. */
  readonly goal?: {readonly number: number; readonly limit: number} | undefined;
  /** What the ratio is to; the peer when there is one. */
  readonly to?: 'peer' | 'floor' | undefined;
}

export function compare({what, unit, ours, peer, floor, goal, to = peer ? 'peer' : 'floor'}: Comparison): Row {
  const theirs = to === 'peer' ? peer : floor;
  const ratio = theirs && {to, ...ratiosOf(ours, theirs)};
  return {
    what,
    unit,
    ours: spreadOf(ours),
    peer: peer && spreadOf(peer),
    floor: floor && spreadOf(floor),
    ratio,
    goal: goal && {
      number: goal.number,
      text: `<= ${goal.limit} x ${to}`,
      isMet: ratio !== undefined && ratio.median <= goal.limit,
    },
  };
}

/** A value that is counted, or measured once, and has a limit of its own. */
export function count(
  what: string,
  unit: string,
  values: readonly number[],
  goal?: {number: number; limit: number},
): Row {
  const ours = spreadOf(values);
  return {
    what,
    unit,
    ours,
    goal: goal && {number: goal.number, text: `<= ${goal.limit}`, isMet: ours.max <= goal.limit},
  };
}
