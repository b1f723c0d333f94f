/** Follows a store as a consumer would: what a listing held, changed by every batch that the watch brings. */

import type {Cursor, Entry, Store, Update} from '../../src/datastore/store.ts';
import {AgentError} from '../../src/lib/errors.ts';

export class StoreWatcher {
  /** Content by key, as far as it is known. */
  readonly content = new Map<string, Entry>();
  /** Every update, in order of arrival. */
  readonly updates: Update[] = [];
  readonly ended: Promise<unknown>;
  /** Batches so far; with the first one the watch stands. */
  batches = 0;
  #failure: unknown;
  readonly #abort = new AbortController();
  readonly #waiting = new Set<() => void>();

  private constructor(store: Store, prefixes: readonly string[], from: {entries: readonly Entry[]; cursor: Cursor}) {
    for (const entry of from.entries) this.content.set(entry.key, entry);
    this.ended = this.#run(store, prefixes, from.cursor);
  }

  /** Watches after the listing of the first prefix. */
  static async start(store: Store, ...prefixes: [string, ...string[]]): Promise<StoreWatcher> {
    return new StoreWatcher(store, prefixes, await store.list(prefixes[0]));
  }

  static from(store: Store, cursor: Cursor, ...prefixes: string[]): StoreWatcher {
    return new StoreWatcher(store, prefixes, {entries: [], cursor});
  }

  async #run(store: Store, prefixes: readonly string[], cursor: Cursor): Promise<unknown> {
    try {
      let reached = cursor;
      for await (const batch of store.watch(prefixes, cursor, {signal: this.#abort.signal})) {
        const {updates} = batch;
        const isNews = updates.length > 0 || batch.cursor !== reached;
        if (this.batches++ > 0 && !isNews) throw new Error('a later batch of a watch says nothing');
        reached = batch.cursor;
        for (const update of updates) {
          this.updates.push(update);
          const {key, value, revision} = update;
          if (value === undefined) this.content.delete(key);
          else this.content.set(key, {key, value, revision});
        }
        for (const wake of this.#waiting) wake();
      }
      throw new Error('a watch ended without an error');
    } catch (error) {
      this.#failure = error;
      for (const wake of this.#waiting) wake();
      return error;
    }
  }

  /** Resolves as soon as `condition` holds; rejects when the watch ends before that. */
  async until(condition: (watcher: StoreWatcher) => boolean): Promise<void> {
    while (!condition(this)) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#waiting.delete(wake);
          resolve();
        };
        this.#waiting.add(wake);
      });
    }
  }

  /** Resolves as soon as the content is what `store` lists under the prefix. */
  async untilSame(store: Pick<Store, 'list'>, prefix: string): Promise<void> {
    const {entries} = await store.list(prefix);
    await this.until(({content}) => {
      if (content.size !== entries.length) return false;
      return entries.every(({key, value, revision}) => {
        const known = content.get(key);
        return known?.value === value && known.revision === revision;
      });
    });
  }

  /** Ends the watch and gives the error it ended with. */
  async stop(): Promise<unknown> {
    this.#abort.abort(new AgentError('E_ABORTED', 'the test has seen enough'));
    return this.ended;
  }
}
