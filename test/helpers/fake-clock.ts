/** A clock that moves only when a test says so. Timers run in the order of their time, then of their making. */
import type {Clock} from '../../src/lib/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

export class FakeClock implements Clock {
  readonly #wallStartMs: number;
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  constructor(options: {readonly wallStartMs?: number} = {}) {
    this.#wallStartMs = options.wallStartMs ?? Date.UTC(2026, 0, 1);
  }

  wallMs(): number {
    return this.#wallStartMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, task: () => void): () => void {
    const timer = {atMs: this.#nowMs + Math.max(0, delayMs), task};
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Number of timers that wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Milliseconds until the next timer, undefined when none waits. */
  get nextInMs(): number | undefined {
    const next = this.#nextUntil(Number.POSITIVE_INFINITY);
    return next && next.atMs - this.#nowMs;
  }

  /** Lets `durationMs` pass: runs what is due and, before and after each timer, whatever promises then settle. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await settle();
    for (let timer = this.#nextUntil(endMs); timer !== undefined; timer = this.#nextUntil(endMs)) {
      this.#timers.delete(timer);
      this.#nowMs = timer.atMs;
      timer.task();
      await settle();
    }
    this.#nowMs = endMs;
  }

  #nextUntil(endMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= endMs && (next === undefined || timer.atMs < next.atMs)) next = timer;
    }
    return next;
  }
}

/** Resolves when every promise that can settle without time or I/O has done so. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
