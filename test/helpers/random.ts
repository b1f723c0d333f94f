/**
 * Reproducible randomness for property tests. The seed is new in every run and is part of every failure; TEST_SEED
 * repeats one. Each case has a seed of its own, so that a failure is repeated alone and at once.
 */
import {randomInt} from 'node:crypto';
import {messageOf} from '../../src/lib/errors.ts';

export interface Random {
  /** Number in [0, 1). */
  next(): number;
  /** Integer in [0, limit). */
  below(limit: number): number;
  /** Integer in [low, high], both included. */
  between(low: number, high: number): number;
  /** True with the given probability, one half by default. */
  chance(probability?: number): boolean;
  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T;
  /** The items in random order. */
  shuffle<T>(items: readonly T[]): T[];
}

/** A generator (mulberry32) whose numbers are a function of the seed alone. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    next,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability = 0.5) => next() < probability,
    pick(items) {
      const item = items[below(items.length)];
      if (item === undefined && items.length === 0) throw new Error('nothing to pick from');
      return item as (typeof items)[number];
    },
    shuffle(items) {
      const shuffled = [...items];
      for (let i = shuffled.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [shuffled[i], shuffled[j]] = [shuffled[j] as (typeof items)[number], shuffled[i] as (typeof items)[number]];
      }
      return shuffled;
    },
  };
}

/** Runs `property` with `runs` different seeds, or once with TEST_SEED. A failure names the seed that repeats it. */
export async function forAll(runs: number, property: (random: Random) => void | Promise<void>): Promise<void> {
  const given = process.env.TEST_SEED;
  const first = given === undefined ? randomInt(2 ** 31) : Number(given);
  for (let run = 0; run < (given === undefined ? runs : 1); run++) {
    const seed = (first + run) >>> 0;
    try {
      await property(createRandom(seed));
    } catch (error) {
      throw new Error(`failed with TEST_SEED=${seed}: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}
