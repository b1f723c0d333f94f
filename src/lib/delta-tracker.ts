/**
 * What should be, what is, and the difference, for one kind of object.
 *
 * Promise: a key is pending exactly when the two maps disagree on it. Every change of either map re-examines the keys
 * it touches and no others, so asking for the difference costs as much as the difference.
 *
 * What surprised us: news about a key may arrive while our own write of it is under way. `record` then leaves the key
 * to the news, because nobody knows which of the two happened last; at worst the key is written once more.
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
  /** Keys somebody told us about since the last `pending()`. */
  readonly #observed = new Set<K>();

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

  /** Makes `entries` the whole actual state: the result of a read-back. */
  replaceActual(entries: Iterable<readonly [K, V]>): void {
    const previous = this.#actual;
    this.#actual = new Map(entries);
    for (const key of previous.keys()) if (!this.#actual.has(key)) this.#examine(key);
    for (const key of this.#actual.keys()) this.#examine(key);
  }

  /** Somebody saw that `key` is `value` now, for example a kernel monitor. */
  setActual(key: K, value: V): void {
    this.#observed.add(key);
    this.#actual.set(key, value);
    this.#examine(key);
  }

  /** Somebody saw that `key` is gone. */
  deleteActual(key: K): void {
    this.#observed.add(key);
    this.#actual.delete(key);
    this.#examine(key);
  }

  /** What it takes to make actual equal to desired: a snapshot, in the order in which the keys became pending. */
  pending(): Changes<K, V> {
    this.#observed.clear();
    const writes = new Map<K, V>();
    const removals = new Map<K, V>();
    for (const key of this.#pendingSinceMs.keys()) {
      if (this.#desired.has(key)) writes.set(key, this.#desired.get(key) as V);
      else removals.set(key, this.#actual.get(key) as V);
    }
    return {writes, removals};
  }

  /** Takes over the outcome of `changes`, the last snapshot: what is not among `failed` is now so. */
  record(changes: Changes<K, V>, failed: ReadonlyMap<K, unknown>): void {
    const isKnown = (key: K) => !failed.has(key) && !this.#observed.has(key);
    for (const [key, value] of changes.writes) {
      if (!isKnown(key)) continue;
      this.#actual.set(key, value);
      this.#examine(key);
    }
    for (const key of changes.removals.keys()) {
      if (!isKnown(key)) continue;
      this.#actual.delete(key);
      this.#examine(key);
    }
    this.#observed.clear();
  }

  /** Restores the promise for one key. A key that stays pending keeps its age. */
  #examine(key: K): void {
    if (this.#agrees(key)) this.#pendingSinceMs.delete(key);
    else if (!this.#pendingSinceMs.has(key)) this.#pendingSinceMs.set(key, this.#clock.monotonicMs());
  }

  #agrees(key: K): boolean {
    const isDesired = this.#desired.has(key);
    if (isDesired !== this.#actual.has(key)) return false;
    return !isDesired || this.#equal(this.#desired.get(key) as V, this.#actual.get(key) as V);
  }
}
