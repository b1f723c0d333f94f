/**
 * Makes one kind of object what it should be: read back if in doubt, write the difference, record what succeeded.
 *
 * Promises: nothing is believed to be so unless the driver said it succeeded or a read-back saw it; when the outcome of
 * anything is unknown, the next round reads back first; when nothing differs, nothing is applied. What failed stays
 * pending, and the caller (a Pacer) decides when to try again.
 */
import type {Clock} from './clock.ts';
import {DeltaTracker} from './delta-tracker.ts';
import type {Driver} from './driver.ts';
import {codeOf} from './errors.ts';
import type {StageMetrics, StageRecorder} from './metrics.ts';

export interface ReconcilerDependencies {
  readonly clock: Clock;
  /** Where the stage `driver.kind` reports; nothing is measured when absent. */
  readonly metrics?: StageMetrics | undefined;
}

export class Reconciler<K extends string, V> {
  /** Callers change the desired state here at any time, also while `reconcile` waits. */
  readonly tracker: DeltaTracker<K, V>;
  readonly #driver: Driver<K, V>;
  readonly #clock: Clock;
  readonly #recorder: StageRecorder | undefined;
  /** The actual state may be wrong and must be read back. True at first: the kernel has what the last run left. */
  #stale = true;
  #running = false;

  constructor(options: {readonly driver: Driver<K, V>}, dependencies: ReconcilerDependencies) {
    const {driver} = options;
    this.#driver = driver;
    this.#clock = dependencies.clock;
    this.tracker = new DeltaTracker({equal: (desired, actual) => driver.equal(desired, actual)}, dependencies);
    this.#recorder = dependencies.metrics?.stage(driver.kind, {
      queueDepth: () => this.tracker.pendingCount,
      oldestPendingMs: () => this.tracker.oldestPendingMs(),
    });
  }

  get kind(): string {
    return this.#driver.kind;
  }

  /** True when the next round reads back first. */
  get isStale(): boolean {
    return this.#stale;
  }

  /** True when there is something to do: a difference, or a doubt. */
  get isPending(): boolean {
    return this.#stale || this.tracker.pendingCount > 0;
  }

  /** Nothing known about the actual state can be trusted any more; the next round reads it back. */
  invalidate(): void {
    this.#stale = true;
  }

  /**
   * One round. Resolves to the keys that failed, which stay pending; rejects when the driver could not tell the outcome
   * (the next round reads back). One round at a time.
   */
  async reconcile(signal: AbortSignal): Promise<ReadonlyMap<K, Error>> {
    if (this.#running) throw new Error(`a round of ${this.kind} is already under way`);
    this.#running = true;
    const startMs = this.#clock.monotonicMs();
    try {
      return await this.#round(signal);
    } catch (error) {
      this.#recorder?.failed(codeOf(error));
      throw error;
    } finally {
      this.#running = false;
      this.#recorder?.ran(this.#clock.monotonicMs() - startMs);
    }
  }

  async #round(signal: AbortSignal): Promise<ReadonlyMap<K, Error>> {
    signal.throwIfAborted();
    await this.#readBack(signal);
    const changes = this.tracker.pending();
    if (changes.writes.size === 0 && changes.removals.size === 0) return new Map();
    const failed = await this.#attempt(() => this.#driver.apply(changes, signal));
    if (!this.tracker.record(changes, failed)) this.#stale = true;
    for (const error of failed.values()) this.#recorder?.failed(codeOf(error));
    return failed;
  }

  async #readBack(signal: AbortSignal): Promise<void> {
    if (!this.#stale) return;
    // First, or an invalidate() that arrives during the read-back would be lost.
    this.#stale = false;
    this.tracker.beginReadBack();
    const entries = await this.#attempt(() => this.#driver.list(signal));
    if (!this.tracker.replaceActual(entries)) this.#stale = true;
  }

  /** A rejection means that the outcome is unknown: whatever we believed may be wrong now. */
  async #attempt<T>(operation: () => Promise<T>): Promise<T> {
    try {
      return await operation();
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }
}
