/**
 * A store between a consumer and a real one, that fails when a test says so. For faults only: what does not fail is
 * done by the real store.
 */

import type {
  CallOptions,
  CommitResult,
  Cursor,
  Entry,
  Listing,
  Operation,
  Store,
  WatchBatch,
} from '../../src/datastore/store.ts';
import {AgentError, type ErrorCode} from '../../src/lib/errors.ts';

type Method = 'get' | 'list' | 'commit' | 'watch';

export class FaultyStore implements Store {
  readonly capabilities;
  /** Calls so far, by method. */
  readonly calls: Record<Method, number> = {get: 0, list: 0, commit: 0, watch: 0};
  readonly #store: Store;
  #outage: ErrorCode | undefined;
  /** Codes for the next calls of a method, in order. */
  readonly #failures = new Map<Method, ErrorCode[]>();
  readonly #watches = new Set<AbortController>();

  constructor(store: Store) {
    this.#store = store;
    this.capabilities = store.capabilities;
  }

  /** The next call of `method` fails; several times add up. */
  failNext(method: Method, ...codes: ErrorCode[]): void {
    this.#failures.set(method, [...(this.#failures.get(method) ?? []), ...codes]);
  }

  /** Every call fails until `recover`, and every watch ends. */
  breakDown(code: ErrorCode): void {
    this.#outage = code;
    this.endWatches(code);
  }

  recover(): void {
    this.#outage = undefined;
  }

  /** Every watch that stands ends with an error of this code. */
  endWatches(code: ErrorCode): void {
    for (const watch of this.#watches) watch.abort(new AgentError(code, 'made to fail'));
  }

  get(key: string, options?: CallOptions): Promise<Entry | undefined> {
    return this.#call('get', () => this.#store.get(key, options));
  }

  list(prefix: string, options?: CallOptions): Promise<Listing> {
    return this.#call('list', () => this.#store.list(prefix, options));
  }

  commit(operations: readonly Operation[], options?: CallOptions): Promise<CommitResult> {
    return this.#call('commit', () => this.#store.commit(operations, options));
  }

  async *watch(
    prefixes: readonly string[],
    cursor: Cursor,
    options: {readonly signal: AbortSignal},
  ): AsyncGenerator<WatchBatch, void, void> {
    await this.#call('watch', () => Promise.resolve());
    const fault = new AbortController();
    this.#watches.add(fault);
    try {
      yield* this.#store.watch(prefixes, cursor, {signal: AbortSignal.any([options.signal, fault.signal])});
    } catch (error) {
      throw fault.signal.aborted ? fault.signal.reason : error;
    } finally {
      this.#watches.delete(fault);
    }
  }

  close(): Promise<void> {
    return this.#store.close();
  }

  async #call<T>(method: Method, work: () => Promise<T>): Promise<T> {
    this.calls[method]++;
    const code = this.#failures.get(method)?.shift() ?? this.#outage;
    if (code !== undefined) throw new AgentError(code, 'made to fail');
    return work();
  }
}
