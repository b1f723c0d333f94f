/** Time as a dependency: everything that waits or measures takes a Clock, so that tests decide when it passes. */
export interface Clock {
  /** Milliseconds since the Unix epoch. For timestamps that people or other programs read. */
  wallMs(): number;
  /** Milliseconds of a clock that never jumps. For durations and deadlines. */
  monotonicMs(): number;
  /** Runs `task` once after `delayMs`; the returned function cancels it. The timer does not keep the process alive. */
  schedule(delayMs: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule(delayMs, task) {
    // A timer of 0 ms waits a whole one: "at once" is the next turn of the event loop.
    if (delayMs <= 0) {
      const immediate = setImmediate(task);
      immediate.unref();
      return () => clearImmediate(immediate);
    }
    const timer = setTimeout(task, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`; rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, {once: true});
  });
}
