/**
 * A Store in memory, for tests of what is above a store: it can be atomic across keys or not, and a hook runs before
 * every call, so that a test can count calls, fail them, or let somebody else write in between. It passes the same
 * contract suite as the real stores.
 */
import {EventEmitter, once} from 'node:events';
import {assertCommit, refusal} from '../../../../src/datastore/precondition.ts';
import type {
  CallOptions,
  CommitResult,
  Cursor,
  Entry,
  Listing,
  Operation,
  Revision,
  Store,
  StoreCapabilities,
  Update,
  WatchBatch,
} from '../../../../src/datastore/store.ts';
import {AgentError} from '../../../../src/lib/errors.ts';

export type StoreCall =
  | {readonly kind: 'get'; readonly key: string}
  | {readonly kind: 'list'; readonly prefix: string}
  | {readonly kind: 'commit'; readonly operations: readonly Operation[]};

export interface MemoryStoreOptions {
  readonly atomicAcrossKeys?: boolean;
  readonly maxOps?: number;
  /** Runs before the call takes effect; a rejection is the call's. */
  readonly before?: (call: StoreCall) => Promise<void> | void;
  /** Runs after it took effect; a rejection is the call's: its outcome is then unknown to the caller. */
  readonly after?: (call: StoreCall) => Promise<void> | void;
}

/** What is stored; several handles may share it. */
class Content {
  readonly entries = new Map<string, Entry>();
  readonly log: (Update & {readonly at: number})[] = [];
  readonly changed = new EventEmitter().setMaxListeners(0);
  revision = 0;
}

export class MemoryStore implements Store {
  readonly capabilities: StoreCapabilities;
  readonly calls: StoreCall[] = [];
  before: MemoryStoreOptions['before'];
  after: MemoryStoreOptions['after'];
  readonly #content: Content;
  readonly #closed = new AbortController();

  constructor(options: MemoryStoreOptions = {}, content: Content = new Content()) {
    this.#content = content;
    const {atomicAcrossKeys = true, maxOps = 128} = options;
    this.capabilities = {atomicAcrossKeys, maxOps, writableKinds: undefined};
    this.before = options.before;
    this.after = options.after;
  }

  /** Another handle on the same content. */
  another(options: MemoryStoreOptions = {}): MemoryStore {
    return new MemoryStore(options, this.#content);
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#content.entries;
  }

  get commits(): readonly (readonly Operation[])[] {
    return this.calls.flatMap((call) => (call.kind === 'commit' ? [call.operations] : []));
  }

  get(key: string, options: CallOptions = {}): Promise<Entry | undefined> {
    return this.#call({kind: 'get', key}, options, () => this.entries.get(key));
  }

  list(prefix: string, options: CallOptions = {}): Promise<Listing> {
    return this.#call({kind: 'list', prefix}, options, () => ({
      entries: [...this.entries.values()]
        .filter((entry) => entry.key.startsWith(prefix))
        .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))),
      cursor: String(this.#content.revision),
    }));
  }

  commit(operations: readonly Operation[], options: CallOptions = {}): Promise<CommitResult> {
    return this.#call({kind: 'commit', operations}, options, () => {
      assertCommit(operations, this.capabilities.maxOps);
      if (!this.capabilities.atomicAcrossKeys) {
        const one = (operation: Operation, index: number): Revision | undefined => {
          this.#check(operation, index);
          return this.#apply(operation);
        };
        return {revisions: operations.map(one)};
      }
      operations.forEach((operation, index) => {
        this.#check(operation, index);
      });
      return {revisions: operations.map((operation) => this.#apply(operation))};
    });
  }

  async *watch(
    prefixes: readonly string[],
    cursor: Cursor,
    options: {readonly signal: AbortSignal},
  ): AsyncIterable<WatchBatch> {
    let at = Number(cursor);
    for (let isFirst = true; ; isFirst = false) {
      const signal = AbortSignal.any([options.signal, this.#closed.signal]);
      if (signal.aborted) throw aborted(signal);
      const updates = this.#content.log.filter((u) => u.at > at && prefixes.some((prefix) => u.key.startsWith(prefix)));
      at = this.#content.revision;
      if (updates.length > 0 || isFirst)
        yield {updates: updates.map(({key, value, revision}) => ({key, value, revision})), cursor: String(at)};
      else {
        try {
          await once(this.#content.changed, 'change', {signal});
        } catch {
          throw aborted(signal);
        }
      }
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }

  async #call<T>(call: StoreCall, options: CallOptions, effect: () => T): Promise<T> {
    for (const signal of [options.signal, this.#closed.signal]) if (signal?.aborted) throw aborted(signal);
    this.calls.push(call);
    await this.before?.(call);
    const result = effect();
    await this.after?.(call);
    return result;
  }

  #check(operation: Operation, index: number): void {
    const current = this.entries.get(operation.key);
    const error = refusal(operation, index, current);
    if (error !== undefined) throw error;
  }

  #apply(operation: Operation): Revision | undefined {
    if (operation.kind === 'check') return undefined;
    const {key} = operation;
    const revision = String(++this.#content.revision);
    if (operation.kind === 'delete') this.#content.entries.delete(key);
    else this.#content.entries.set(key, {key, value: operation.value, revision});
    this.#content.log.push({at: this.#content.revision, key, value: this.entries.get(key)?.value, revision});
    this.#content.changed.emit('change');
    return operation.kind === 'delete' ? undefined : revision;
  }
}

const aborted = (signal: AbortSignal) => new AgentError('E_ABORTED', 'the caller gave up', {}, signal.reason);
