/**
 * One call at a time for each pod and each container: two ADDs of one pod, or an ADD and the DEL of its container, see
 * each other's work complete. First come, first served; a call takes all its names or waits for them.
 */
import {AgentError} from '../lib/errors.ts';

export class AttachmentLock {
  /** By name, the end of the last call that asked for it. */
  readonly #tails = new Map<string, Promise<void>>();

  /** True while a call has the name, or waits for it. */
  isTaken(name: string): boolean {
    return this.#tails.has(name);
  }

  /** Runs `work` when all earlier calls with one of these names have ended. Rejects with E_ABORTED or E_DEADLINE. */
  async run<T>(names: readonly string[], signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const before = names.flatMap((name) => this.#tails.get(name) ?? []);
    const {promise, resolve} = Promise.withResolvers<void>();
    // Whoever comes after a call that gave up still waits for those before it.
    const tail = Promise.all([...before, promise]).then(() => undefined);
    for (const name of names) this.#tails.set(name, tail);
    try {
      await waitFor(before, signal);
      return await work();
    } finally {
      resolve();
      void tail.then(() => {
        for (const name of names) if (this.#tails.get(name) === tail) this.#tails.delete(name);
      });
    }
  }
}

async function waitFor(before: readonly Promise<void>[], signal: AbortSignal): Promise<void> {
  if (before.length === 0) return;
  const {promise, reject} = Promise.withResolvers<never>();
  const onAbort = () =>
    reject(new AgentError('E_ABORTED', 'another call for this pod did not end in time', {}, signal.reason));
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, {once: true});
  try {
    await Promise.race([Promise.all(before), promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
