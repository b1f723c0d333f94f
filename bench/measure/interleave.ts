/**
 * Several contestants measured in turns: a round runs each of them once, and every round begins with another one, so
 * that what the machine does besides meets all of them. Only values of one round are compared with each other.
 */
import {medianOf} from './spread.ts';

/** Does the work once or several times; for each series that it measures, what each time took. */
export type Contestant<Series extends string> = () => Promise<Readonly<Record<Series, readonly number[]>>>;

export interface InterleaveOptions {
  readonly rounds: number;
  /** Rounds run before and thrown away: code gets warm, folders get made. Default 1. */
  readonly warmUpRounds?: number;
}

/** By contestant and series: the median of each round. */
export type Rounds<Name extends string, Series extends string> = Readonly<
  Record<Name, Readonly<Record<Series, readonly number[]>>>
>;

export async function interleave<Name extends string, Series extends string>(
  contestants: Readonly<Record<Name, Contestant<Series>>>,
  {rounds, warmUpRounds = 1}: InterleaveOptions,
): Promise<Rounds<Name, Series>> {
  const names = Object.keys(contestants) as Name[];
  const medians = Object.fromEntries(names.map((name) => [name, {}])) as Record<Name, Record<Series, number[]>>;
  for (let round = 0; round < warmUpRounds + rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(turn + round) % names.length] as Name;
      const measured = await contestants[name]();
      if (round < warmUpRounds) continue;
      for (const series of Object.keys(measured) as Series[]) {
        medians[name][series] ??= [];
        medians[name][series].push(medianOf(measured[series]));
      }
    }
  }
  return medians;
}
