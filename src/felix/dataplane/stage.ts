/**
 * One kind of kernel object in the data plane: its reconciler, kept true between rounds by the kernel's news.
 *
 * News that arrive while a round is under way wait until it has ended. They may be older than what the round read or
 * wrote, but the kernel's order holds: the last news of a key is its final state, so taking them over afterwards always
 * ends at the truth, at worst after one needless write.
 */
import type {Clock} from '../../lib/clock.ts';
import type {DeltaTracker} from '../../lib/delta-tracker.ts';
import type {Changes, Driver} from '../../lib/driver.ts';
import type {StageMetrics} from '../../lib/metrics.ts';
import {Reconciler} from '../../lib/reconciler.ts';

export interface StageOutcome<K extends string, V> {
  /** What the kernel took. */
  readonly written: ReadonlyMap<K, V>;
  readonly removed: ReadonlyMap<K, V>;
  readonly failed: ReadonlyMap<K, Error>;
  /** Set when it is unknown what happened to the whole round. */
  readonly error: Error | undefined;
}

export interface StageDependencies {
  readonly clock: Clock;
  readonly metrics?: StageMetrics | undefined;
}

export class Stage<K extends string, V> {
  readonly kind: string;
  readonly tracker: DeltaTracker<K, V>;
  readonly #reconciler: Reconciler<K, V>;
  #changes: Changes<K, V> | undefined;
  /** News that wait for the end of the round; undefined while none is under way. */
  #waitingNews: (() => void)[] | undefined;

  constructor(driver: Driver<K, V>, dependencies: StageDependencies) {
    this.kind = driver.kind;
    const observed: Driver<K, V> = {
      kind: driver.kind,
      equal: (desired, actual) => driver.equal(desired, actual),
      list: (signal) => driver.list(signal),
      apply: (changes, signal) => {
        this.#changes = changes;
        return driver.apply(changes, signal);
      },
    };
    this.#reconciler = new Reconciler({driver: observed}, dependencies);
    this.tracker = this.#reconciler.tracker;
  }

  get isPending(): boolean {
    return this.#reconciler.isPending;
  }

  get isStale(): boolean {
    return this.#reconciler.isStale;
  }

  invalidate(): void {
    this.#reconciler.invalidate();
  }

  /** The kernel has `key` like this now, or no longer. */
  observe(key: K, value: V | undefined): void {
    this.#takeNews(() => {
      if (value !== undefined) this.tracker.setActual(key, value);
      else if (this.tracker.actual.has(key)) this.tracker.deleteActual(key);
    });
  }

  /** A part of what the kernel has at `key` changed (undefined: all of it is gone). Unknown keys stay unknown. */
  amend(key: K, change: (actual: V) => V | undefined): void {
    this.#takeNews(() => {
      const actual = this.tracker.actual.get(key);
      if (actual === undefined) return;
      const amended = change(actual);
      if (amended === undefined) this.tracker.deleteActual(key);
      else if (amended !== actual) this.tracker.setActual(key, amended);
    });
  }

  /** One round. Never rejects but for the signal: a failure is part of the outcome. */
  async run(signal: AbortSignal): Promise<StageOutcome<K, V>> {
    this.#changes = undefined;
    this.#waitingNews = [];
    try {
      const failed = await this.#reconciler.reconcile(signal);
      return {...this.#succeeded(failed), failed, error: undefined};
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Error)) throw error;
      return {written: new Map(), removed: new Map(), failed: new Map(), error};
    } finally {
      const news = this.#waitingNews;
      this.#waitingNews = undefined;
      for (const take of news) take();
    }
  }

  #succeeded(failed: ReadonlyMap<K, Error>): Pick<StageOutcome<K, V>, 'written' | 'removed'> {
    const {writes, removals}: Changes<K, V> = this.#changes ?? {writes: new Map<K, V>(), removals: new Map<K, V>()};
    if (failed.size === 0) return {written: writes, removed: removals};
    const without = (changes: ReadonlyMap<K, V>) => new Map([...changes].filter(([key]) => !failed.has(key)));
    return {written: without(writes), removed: without(removals)};
  }

  #takeNews(take: () => void): void {
    if (this.#waitingNews === undefined) take();
    else this.#waitingNews.push(take);
  }
}
