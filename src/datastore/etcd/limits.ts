/**
 * What ends a call for certain: its deadline, its caller's signal, or the closing of the store. Whatever the network
 * does, the promise of the call settles then.
 */
import type {Clock} from '../../lib/clock.ts';
import {AgentError} from '../../lib/errors.ts';
import type {CallOptions} from '../store.ts';

/** From the beginning of a call to its end. */
export interface Life {
  /** Aborts when the call has to end, with the error it rejects with. */
  readonly signal: AbortSignal;
  end(error: Error): void;
  /** Lets go of the caller's signal; to be called when the call is over. */
  release(): void;
}

/** The calls under way of one store. */
export class Calls {
  readonly #clock: Clock;
  readonly #defaultDeadlineMs: number;
  readonly #ends = new Set<(error: Error) => void>();
  /** Why no call is taken any more. */
  #ended: AgentError | undefined;

  constructor(options: {readonly deadlineMs: number}, dependencies: {readonly clock: Clock}) {
    this.#defaultDeadlineMs = options.deadlineMs;
    this.#clock = dependencies.clock;
  }

  /**
   * Runs `task` within the limits. Its signal aborts with the reason that the call rejects with: E_ABORTED, or
   * E_DEADLINE, whose message says what `activity` says.
   */
  run<T>(
    options: CallOptions & {readonly what: string; readonly activity: () => string},
    task: (signal: AbortSignal, deadlineMs: number) => Promise<T>,
  ): Promise<T> {
    const {signal, deadlineMs = this.#defaultDeadlineMs, what, activity} = options;
    return new Promise((resolve, reject) => {
      const life = this.begin(signal);
      const onDeadline = () => life.end(late(what, deadlineMs, activity()));
      const cancelDeadline = Number.isFinite(deadlineMs) ? this.#clock.schedule(deadlineMs, onDeadline) : () => {};
      life.signal.addEventListener('abort', () => reject(life.signal.reason), {once: true});
      task(life.signal, deadlineMs)
        .then(resolve, reject)
        .finally(() => {
          cancelDeadline();
          life.release();
        });
    });
  }

  /** A call without a deadline, as a watch is. Throws E_ABORTED when it is over before it begins. */
  begin(signal: AbortSignal | undefined): Life {
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted) throw givenUp(signal);
    const controller = new AbortController();
    const end = (error: Error) => controller.abort(error);
    const onAbort = () => end(givenUp(signal));
    signal?.addEventListener('abort', onAbort, {once: true});
    this.#ends.add(end);
    const release = () => {
      signal?.removeEventListener('abort', onAbort);
      this.#ends.delete(end);
    };
    return {signal: controller.signal, end, release};
  }

  /** Ends all calls, and refuses further ones. */
  end(): AgentError {
    this.#ended ??= new AgentError('E_ABORTED', 'the datastore is closed');
    for (const end of this.#ends) end(this.#ended);
    return this.#ended;
  }
}

function givenUp(signal: AbortSignal | undefined): AgentError {
  return new AgentError('E_ABORTED', 'the call was given up by its caller', {}, signal?.reason);
}

function late(what: string, deadlineMs: number, activity: string): AgentError {
  return new AgentError('E_DEADLINE', `etcd did not finish a ${what} within ${deadlineMs} ms (${activity})`, {
    what,
    deadlineMs,
  });
}
