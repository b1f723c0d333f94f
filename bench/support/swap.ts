/** One key that is swapped again and again: the least that an allocation costs. */
import type {Revision, Store} from '../../src/datastore/store.ts';
import {blockPrefix} from '../../src/model/keys.ts';

export class Swap {
  readonly #store: Store;
  readonly #key: string;
  readonly #value: string;
  #revision: Revision | undefined;

  private constructor(store: Store, key: string, value: string) {
    this.#store = store;
    this.#key = key;
    this.#value = value;
  }

  /** A key of its own for each name, its value as large as the largest block. */
  static async start(store: Store, name: string): Promise<Swap> {
    const blocks = (await store.list(blockPrefix(4))).entries;
    const largest = blocks.reduce((size, {value}) => Math.max(size, value.length), 0);
    const swap = new Swap(store, `/bench/swap/${name}`, 'x'.repeat(largest));
    const {revisions} = await store.commit([{kind: 'put', key: swap.#key, value: swap.#value}]);
    swap.#revision = revisions[0];
    return swap;
  }

  async once(): Promise<void> {
    if (this.#revision === undefined) throw new Error('no revision to swap at');
    const {revisions} = await this.#store.commit([
      {kind: 'update', key: this.#key, value: this.#value, revision: this.#revision},
    ]);
    this.#revision = revisions[0];
  }
}
