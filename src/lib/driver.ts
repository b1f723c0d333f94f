/**
 * The contract between desired state and one kind of kernel object (or file, or anything else we keep as we want it).
 *
 * A Driver is the only place that knows the kind's system calls. It has no memory: `list` must recognise what is ours
 * from the object alone (own table, protocol number, name prefix), so that a restart needs no state of its own.
 */

/** What one round writes and removes. A snapshot: the desired state may change while the round is under way. */
export interface Changes<K extends string, V> {
  readonly writes: ReadonlyMap<K, V>;
  /** Keys with the value last seen in the kernel, for drivers that need it to name the object. */
  readonly removals: ReadonlyMap<K, V>;
}

export interface Driver<K extends string, V> {
  /** Name for logs, metrics and errors: "route", "link". */
  readonly kind: string;
  /** True when the kernel's value needs no write to become the desired one. */
  equal(desired: V, actual: V): boolean;
  /** Everything in the kernel that is ours, leftovers of an earlier run included. */
  list(signal: AbortSignal): Promise<Iterable<readonly [K, V]>>;
  /**
   * Makes the changes; the driver orders them. Writing what is already so and removing what is already gone succeed.
   * Resolves to the keys that failed; rejects when the outcome is unknown (the state is then read back).
   */
  apply(changes: Changes<K, V>, signal: AbortSignal): Promise<ReadonlyMap<K, Error>>;
}
