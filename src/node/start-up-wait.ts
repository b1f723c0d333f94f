/**
 * Start-up waits for the datastore as long as it takes, as Calico's does: everything it does may be repeated, so what
 * found the datastore away begins again. A datastore that refuses us is another matter: then somebody has to act.
 */
import type {Clock} from '../lib/clock.ts';
import {codeOf, hasCode, messageChain} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {orAborted} from '../lib/or-aborted.ts';
import {retry} from '../lib/retry.ts';

export interface StartUpWaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told each time the datastore was not there, with the reason. */
  readonly onAway?: ((reason: string) => void) | undefined;
}

const PAUSES = {firstDelayMs: 200, maxDelayMs: 2000};

/** Resolves as `startUp` does; rejects with what it rejects with otherwise, or as soon as the signal aborts. */
export function whenReachable<T>(
  startUp: () => Promise<T>,
  {signal, onAway}: StartUpWaitOptions,
  {clock, log}: {readonly clock: Clock; readonly log: Logger},
): Promise<T> {
  const isAway = (error: unknown) => hasCode(error, 'E_UNREACHABLE') || hasCode(error, 'E_DEADLINE');
  const attemptOnce = async (attempt: number) => {
    try {
      return await (signal === undefined ? startUp() : orAborted(startUp(), signal));
    } catch (error) {
      if (isAway(error)) {
        const reason = messageChain(error);
        onAway?.(reason);
        if (attempt === 1) log.warn({code: codeOf(error), reason}, 'start-up waits for the datastore');
      }
      throw error;
    }
  };
  return retry(attemptOnce, {...PAUSES, isRetryable: isAway}, {clock, signal});
}
