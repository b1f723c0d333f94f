/**
 * What should be, what is, and the difference, for one kind of object.
 *
 * Promise: a key is pending exactly when the two maps disagree on it. Every change of either map re-examines the keys
 * it touches and no others, so asking for the difference costs as much as the difference.
 *
 * What surprised us: news about a key (`setActual`, `deleteActual`) may arrive while a write or a read-back of it is under
 * way, and nobody can tell which of the two is older. Where they contradict each other, `record` and `replaceActual`
 * say so, and the state has to be read back (again).
 */
import type {Clock} from './clock.ts';
import type {Changes} from './driver.ts';

export class DeltaTracker<K extends string, V> {
  readonly #equal: (desired: V, actual: V) => boolean;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #desired = new Map<K, V>();
  #actual = new Map<K, V>();
  /** Keys on which the maps disagree, with the time they began to; the oldest comes first. */
  readonly #pendingSinceMs = new Map<K, number>();
  /** Keys somebody told us about since the write or read-back under way began. */
  readonly #news = new Set<K>();

  constructor(
    options: {readonly equal: (desired: V, actual: V) => boolean},
    dependencies: {readonly clock: Pick<Clock, 'monotonicMs'>},
  ) {
    this.#equal = options.equal;
    this.#clock = dependencies.clock;
  }

  get desired(): ReadonlyMap<K, V> {
    return this.#desired;
  }

  get actual(): ReadonlyMap<K, V> {
    return this.#actual;
  }

  get pendingCount(): number {
    return this.#pendingSinceMs.size;
  }

  /** How long the longest waiting key has been pending; 0 when none is. */
  oldestPendingMs(): number {
    for (const sinceMs of this.#pendingSinceMs.values()) return this.#clock.monotonicMs() - sinceMs;
    return 0;
  }

  isPending(key: K): boolean {
    return this.#pendingSinceMs.has(key);
  }

  setDesired(key: K, value: V): void {
    this.#desired.set(key, value);
    this.#examine(key);
  }

  deleteDesired(key: K): void {
    this.#desired.delete(key);
    this.#examine(key);
  }

  /** Makes `entries` the whole desired state. */
  replaceDesired(entries: Iterable<readonly [K, V]>): void {
    const next = new Map(entries);
    for (const key of this.#desired.keys()) if (!next.has(key)) this.deleteDesired(key);
    for (const [key, value] of next) this.setDesired(key, value);
  }

  /** Somebody saw that `key` is `value` now, for example a kernel monitor. */
  setActual(key: K, value: V): void {
    this.#news.add(key);
    this.#actual.set(key, value);
    this.#examine(key);
  }

  /** Somebody saw that `key` is gone. */
  deleteActual(key: K): void {
    this.#news.add(key);
    this.#actual.delete(key);
    this.#examine(key);
  }

  /** To be called before a read-back begins: news from here on may be newer than what it will say. */
  beginReadBack(): void {
    this.#news.clear();
  }

  /** Makes `entries`, the result of a read-back, the whole actual state. False when news contradict it. */
  replaceActual(entries: Iterable<readonly [K, V]>): boolean {
    const previous = this.#actual;
    const next = new Map(entries);
    this.#actual = next;
    for (const key of previous.keys()) if (!next.has(key)) this.#examine(key);
    for (const key of next.keys()) this.#examine(key);
    return this.#newsAgree((key) => this.#agrees(key, previous, next));
  }

  /**
   * What it takes to make actual equal to desired: a snapshot, in the order in which the keys became pending. A write
   * begins with it and ends with `record`.
   */
  pending(): Changes<K, V> {
    this.#news.clear();
    const writes = new Map<K, V>();
    const removals = new Map<K, V>();
    for (const key of this.#pendingSinceMs.keys()) {
      if (this.#desired.has(key)) writes.set(key, this.#desired.get(key) as V);
      else removals.set(key, this.#actual.get(key) as V);
    }
    return {writes, removals};
  }

  /**
   * Takes over the outcome of `changes`, the last snapshot: what is not among `failed` is now so. False when news
   * contradict it.
   */
  record(changes: Changes<K, V>, failed: ReadonlyMap<K, unknown>): boolean {
    const isCertain = this.#newsAgree((key) => {
      if (failed.has(key)) return true;
      if (changes.writes.has(key)) return this.#agrees(key, changes.writes, this.#actual);
      return !changes.removals.has(key) || !this.#actual.has(key);
    });
    for (const [key, value] of changes.writes) {
      if (failed.has(key)) continue;
      this.#actual.set(key, value);
      this.#examine(key);
    }
    for (const key of changes.removals.keys()) {
      if (failed.has(key)) continue;
      this.#actual.delete(key);
      this.#examine(key);
    }
    return isCertain;
  }

  /** Restores the promise for one key. A key that stays pending keeps its age. */
  #examine(key: K): void {
    if (this.#agrees(key, this.#desired, this.#actual)) this.#pendingSinceMs.delete(key);
    else if (!this.#pendingSinceMs.has(key)) this.#pendingSinceMs.set(key, this.#clock.monotonicMs());
  }

  #agrees(key: K, desired: ReadonlyMap<K, V>, actual: ReadonlyMap<K, V>): boolean {
    const isDesired = desired.has(key);
    if (isDesired !== actual.has(key)) return false;
    return !isDesired || this.#equal(desired.get(key) as V, actual.get(key) as V);
  }

  /** True when `isConsistent` holds for every key there were news of. */
  #newsAgree(isConsistent: (key: K) => boolean): boolean {
    return this.#news.keys().every(isConsistent);
  }
}
