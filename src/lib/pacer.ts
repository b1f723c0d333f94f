/**
 * Decides when a repeatable piece of work runs: soon after somebody asked, never too often, again after a failure, and
 * from time to time although nobody asked.
 *
 *   trigger ──> at least minGap after the last run ended ──> run ──> 'done':  next at a trigger, or after maxGap
 *                                                              └──> 'retry': after retryGap, doubling up to maxGap,
 *                                                                            or at a trigger
 *
 * Promises: one run at a time; a trigger during a run leads to another run; after stop() nothing starts, and the run
 * under way sees its signal abort.
 */
import type {Clock} from './clock.ts';

export interface PacerOptions {
  /** Shortest pause between the end of a run and the start of the next. */
  readonly minGapMs: number;
  /** Pause after the first failed run; doubles with each further one. */
  readonly retryGapMs: number;
  /** Longest pause: a run begins at the latest this long after the last one ended. */
  readonly maxGapMs: number;
}

export interface PacerDependencies {
  readonly clock: Clock;
  /**
   * `retry` says that work is left that could not be done now. Failures of the environment are handled and logged in
   * here; a rejection is a defect and ends the process, unless it comes after stop().
   */
  run(signal: AbortSignal): Promise<'done' | 'retry'>;
}

export class Pacer {
  readonly #options: PacerOptions;
  readonly #clock: Clock;
  readonly #run: (signal: AbortSignal) => Promise<'done' | 'retry'>;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #triggered = false;
  /** Failed runs in a row. */
  #failures = 0;
  /** No run starts before this time. */
  #earliestMs: number;
  #cancelTimer: (() => void) | undefined;

  constructor(options: PacerOptions, dependencies: PacerDependencies) {
    this.#options = options;
    this.#clock = dependencies.clock;
    this.#run = (signal) => dependencies.run(signal);
    this.#earliestMs = this.#clock.monotonicMs();
    this.#scheduleIn(options.maxGapMs);
  }

  /** Asks for a run that begins after this call. Cheap; many calls before it are one run. */
  trigger(): void {
    if (this.#triggered || this.#stopping.signal.aborted) return;
    this.#triggered = true;
    if (this.#running === undefined) this.#scheduleIn(this.#earliestMs - this.#clock.monotonicMs());
  }

  /** Ends it: no run starts any more, the one under way is aborted. Resolves when that one has ended. */
  async stop(reason?: unknown): Promise<void> {
    this.#stopping.abort(reason);
    this.#cancelTimer?.();
    await this.#running;
  }

  #scheduleIn(delayMs: number): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.schedule(Math.max(0, delayMs), () => {
      this.#running = this.#runOnce();
    });
  }

  async #runOnce(): Promise<void> {
    this.#triggered = false;
    const outcome = await this.#outcome();
    this.#running = undefined;
    if (this.#stopping.signal.aborted) return;
    this.#failures = outcome === 'done' ? 0 : this.#failures + 1;
    this.#earliestMs = this.#clock.monotonicMs() + this.#options.minGapMs;
    this.#scheduleIn(this.#triggered ? this.#options.minGapMs : this.#gapMs());
  }

  async #outcome(): Promise<'done' | 'retry'> {
    const {signal} = this.#stopping;
    try {
      return await this.#run(signal);
    } catch (error) {
      if (signal.aborted) return 'retry';
      throw error;
    }
  }

  #gapMs(): number {
    const {minGapMs, retryGapMs, maxGapMs} = this.#options;
    if (this.#failures === 0) return maxGapMs;
    return Math.max(minGapMs, Math.min(maxGapMs, retryGapMs * 2 ** (this.#failures - 1)));
  }
}
