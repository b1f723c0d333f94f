/** A store that counts what is committed through it. */
import type {CallOptions, CommitResult, Operation, Store} from '../../src/datastore/store.ts';

export class CountingStore implements Store {
  readonly capabilities: Store['capabilities'];
  readonly get: Store['get'];
  readonly list: Store['list'];
  readonly watch: Store['watch'];
  readonly close: Store['close'];
  readonly #store: Store;
  /** Operations of each commit since the last `take`. */
  #commits: number[] = [];

  constructor(store: Store) {
    this.#store = store;
    this.capabilities = store.capabilities;
    this.get = store.get.bind(store);
    this.list = store.list.bind(store);
    this.watch = store.watch.bind(store);
    this.close = store.close.bind(store);
  }

  commit(operations: readonly Operation[], options?: CallOptions): Promise<CommitResult> {
    this.#commits.push(operations.length);
    return this.#store.commit(operations, options);
  }

  /** The number of operations of each commit since the last call. */
  take(): readonly number[] {
    return this.#commits.splice(0);
  }
}
