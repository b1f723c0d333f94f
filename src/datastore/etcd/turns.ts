/**
 * At most so many at once; the others wait for their turn, first come first served. Thousands of calls under way would
 * each hold a stream and its buffers, and etcd turns calls away when too many wait in it.
 */
export class Turns {
  #free: number;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();

  constructor(options: {readonly atOnce: number}) {
    this.#free = options.atOnce;
  }

  /** Runs `task` when it is its turn; rejects with the signal's reason when that comes first. */
  async run<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await this.#wait(signal);
    try {
      return await task();
    } finally {
      const [next] = this.#waiting;
      if (next === undefined) this.#free++;
      else next();
    }
  }

  /** Resolves when somebody hands over their turn. */
  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(onTurn);
        reject(signal.reason);
      };
      const onTurn = () => {
        this.#waiting.delete(onTurn);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, {once: true});
      this.#waiting.add(onTurn);
    });
  }
}
