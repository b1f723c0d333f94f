/**
 * Lets the event loop breathe in long loops: health answers, kernel events and timers must not wait for a big batch.
 *
 *   const breather = createBreather({clock});
 *   for (const item of items) {
 *     handle(item);
 *     if (breather.isDue()) await breather.breathe();
 *   }
 */
import {setImmediate as nextTurn} from 'node:timers/promises';
import type {Clock} from './clock.ts';

export interface Breather {
  /** True when the loop has held the thread for its share. Cheap enough for every iteration. */
  isDue(): boolean;
  /** Resolves after the event loop had a turn; rejects with the signal's reason when it has aborted. */
  breathe(signal?: AbortSignal): Promise<void>;
}

/** Reading the clock costs as much as a small step of work: look only at every so many. */
const STEPS_PER_LOOK = 16;

/** A loop may hold the thread for `maxHoldMs`, default 4 ms. */
export function createBreather(
  options: {readonly maxHoldMs?: number},
  dependencies: {readonly clock: Pick<Clock, 'monotonicMs'>},
): Breather {
  const maxHoldMs = options.maxHoldMs ?? 4;
  const {clock} = dependencies;
  let sinceMs = clock.monotonicMs();
  let step = 0;
  return {
    isDue() {
      if (++step % STEPS_PER_LOOK !== 0) return false;
      return clock.monotonicMs() - sinceMs >= maxHoldMs;
    },
    async breathe(signal) {
      await nextTurn();
      signal?.throwIfAborted();
      sinceMs = clock.monotonicMs();
    },
  };
}
