/** A store that counts what is committed through it, and what of that is refused. */
import type {CallOptions, CommitResult, Operation, Store} from '../../src/datastore/store.ts';
import {hasCode} from '../../src/lib/errors.ts';

export interface Commits {
  /** Operations of each commit. */
  readonly sizes: readonly number[];
  /** Commits that met another one. */
  readonly conflicts: number;
}

const CONFLICTS = ['E_CONFLICT', 'E_EXISTS', 'E_NOT_FOUND'] as const;

export class CountingStore implements Store {
  readonly capabilities: Store['capabilities'];
  readonly get: Store['get'];
  readonly list: Store['list'];
  readonly watch: Store['watch'];
  readonly close: Store['close'];
  readonly #store: Store;
  #sizes: number[] = [];
  #conflicts = 0;

  constructor(store: Store) {
    this.#store = store;
    this.capabilities = store.capabilities;
    this.get = store.get.bind(store);
    this.list = store.list.bind(store);
    this.watch = store.watch.bind(store);
    this.close = store.close.bind(store);
  }

  async commit(operations: readonly Operation[], options?: CallOptions): Promise<CommitResult> {
    this.#sizes.push(operations.length);
    try {
      return await this.#store.commit(operations, options);
    } catch (error) {
      if (CONFLICTS.some((code) => hasCode(error, code))) this.#conflicts++;
      throw error;
    }
  }

  /** Those since the last call. */
  take(): Commits {
    const taken = {sizes: this.#sizes, conflicts: this.#conflicts};
    this.#sizes = [];
    this.#conflicts = 0;
    return taken;
  }
}
