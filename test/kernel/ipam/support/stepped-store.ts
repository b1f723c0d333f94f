/** A real store that calls a hook before and after each of its calls, and can do without transactions over several keys. */
import type {
  CallOptions,
  CommitResult,
  Entry,
  Listing,
  Operation,
  Store,
  WatchBatch,
} from '../../../../src/datastore/store.ts';

export interface SteppedStoreOptions {
  readonly isAtomic: boolean;
  /** Time limit of every call that names none: the suite is about what happens, not how fast. */
  readonly deadlineMs: number;
  /** Runs between any two calls. */
  readonly between: () => void;
}

export class SteppedStore implements Store {
  readonly capabilities;
  readonly #store: Store;
  readonly #between: () => void;
  readonly #deadlineMs: number;

  constructor(store: Store, options: SteppedStoreOptions) {
    this.#store = store;
    this.#between = options.between;
    this.#deadlineMs = options.deadlineMs;
    this.capabilities = options.isAtomic
      ? store.capabilities
      : {...store.capabilities, atomicAcrossKeys: false, maxOps: 1};
  }

  get(key: string, options?: CallOptions): Promise<Entry | undefined> {
    return this.#step(() => this.#store.get(key, this.#patient(options)));
  }

  list(prefix: string, options?: CallOptions): Promise<Listing> {
    return this.#step(() => this.#store.list(prefix, this.#patient(options)));
  }

  commit(operations: readonly Operation[], options?: CallOptions): Promise<CommitResult> {
    if (operations.length > this.capabilities.maxOps) throw new Error('more operations than the store takes');
    return this.#step(() => this.#store.commit(operations, this.#patient(options)));
  }

  watch(
    prefixes: readonly string[],
    cursor: string,
    options: {readonly signal: AbortSignal},
  ): AsyncIterable<WatchBatch> {
    return this.#store.watch(prefixes, cursor, options);
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  #patient(options: CallOptions = {}): CallOptions {
    return {...options, deadlineMs: options.deadlineMs ?? this.#deadlineMs};
  }

  async #step<T>(call: () => Promise<T>): Promise<T> {
    this.#between();
    try {
      return await call();
    } finally {
      this.#between();
    }
  }
}
