/**
 * The one interface to a datastore, whichever engine is behind it.
 *
 * Keys are Calico's etcd keys and values Calico's etcd JSON, as text: what somebody else wrote stays byte for byte what
 * it was until we change it, and every engine (embedded file, etcd, Kubernetes API) is addressed alike. An engine that
 * stores another form converts behind this interface. Revisions and cursors are opaque: compare them for equality and
 * hand them back, nothing else (the Kubernetes API has no global order).
 *
 * Every call ends: it has a deadline and takes an AbortSignal. Failures are AgentErrors with one of the codes
 * E_CONFLICT, E_EXISTS, E_NOT_FOUND (the expected ones), E_UNREACHABLE, E_UNAUTHORISED, E_UNSUPPORTED, E_DEADLINE,
 * E_ABORTED, E_CURSOR_LOST, E_STORE_*. After E_UNREACHABLE, E_DEADLINE, E_ABORTED (unless the signal had aborted before
 * the call) and E_STORE_IO the outcome of a commit is unknown: read before repeating.
 *
 * Whatever holds for every store is tested by one suite, test/helpers/store-contract.ts.
 */

/** Version of one key. Opaque. */
export type Revision = string;
/** A point in the history of the store from which a watch can go on. Opaque. */
export type Cursor = string;

export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly revision: Revision;
}

export interface Listing {
  /** Sorted by the bytes of the key. */
  readonly entries: readonly Entry[];
  /** A watch from here sees every change made after the listing. */
  readonly cursor: Cursor;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Time limit of this call in milliseconds; the store's own default applies when absent. */
  readonly deadlineMs?: number | undefined;
}

/**
 * One operation of a commit; a commit names each key once.
 * - create: the key must not exist, else E_EXISTS.
 * - update: the key must be at `revision`; another revision is E_CONFLICT, no key is E_NOT_FOUND.
 * - put: unconditional.
 * - delete: with `revision` compared as for update; without it only existence is required.
 * - check: nothing is written; the key must be at `revision`, or must not exist when it is undefined; else E_CONFLICT.
 */
export type Operation =
  | {readonly kind: 'create'; readonly key: string; readonly value: string}
  | {readonly kind: 'update'; readonly key: string; readonly value: string; readonly revision: Revision}
  | {readonly kind: 'put'; readonly key: string; readonly value: string}
  | {readonly kind: 'delete'; readonly key: string; readonly revision?: Revision | undefined}
  | {readonly kind: 'check'; readonly key: string; readonly revision: Revision | undefined};

/**
 * What a commit refused with E_CONFLICT, E_EXISTS or E_NOT_FOUND carries in `context` (read it with `commitFailureOf`):
 * the operation's place in the list, its key, and the entry now there.
 */
export interface CommitFailure {
  readonly index: number;
  readonly key: string;
  readonly current: Entry | undefined;
}

export interface CommitResult {
  /** One per operation, in order: the new revision of a written key, undefined for deletes and checks. */
  readonly revisions: readonly (Revision | undefined)[];
}

/** A change of one key: the new value, or undefined when it was deleted (the revision is then that of the deletion). */
export interface Update {
  readonly key: string;
  readonly value: string | undefined;
  readonly revision: Revision;
}

export interface WatchBatch {
  readonly updates: readonly Update[];
  /** Watching again from here continues after this batch. */
  readonly cursor: Cursor;
}

export interface StoreCapabilities {
  /** Several operations of one commit happen together or not at all. */
  readonly atomicAcrossKeys: boolean;
  /** Most operations in one commit. */
  readonly maxOps: number;
  /** Kinds that can be written, by plural name; undefined when all can. */
  readonly writableKinds: ReadonlySet<string> | undefined;
}

export interface Store {
  readonly capabilities: StoreCapabilities;
  /** The entry, or undefined when there is none. */
  get(key: string, options?: CallOptions): Promise<Entry | undefined>;
  /** All entries whose key begins with `prefix`. */
  list(prefix: string, options?: CallOptions): Promise<Listing>;
  /**
   * All operations or, where `atomicAcrossKeys`, none. Rejects with the first operation that does not hold; with
   * E_UNSUPPORTED when there are more than `maxOps`. A write gives a new revision also when the value stays the same.
   */
  commit(operations: readonly Operation[], options?: CallOptions): Promise<CommitResult>;
  /**
   * Changes after `cursor` of keys with one of the prefixes, in order per key. Changes of one key may be merged. The
   * first batch comes as soon as the watch stands, with or without updates; later ones have some, or only move the cursor
   * on, so that a quiet prefix does not fall behind the history. Ends by throwing: E_CURSOR_LOST (list again),
   * E_UNREACHABLE or E_DEADLINE (watch again), E_UNAUTHORISED, E_ABORTED (the signal).
   */
  watch(
    prefixes: readonly string[],
    cursor: Cursor,
    options: {readonly signal: AbortSignal},
  ): AsyncIterable<WatchBatch>;
  /** Ends watches and listings; what was acknowledged stays. Every later call rejects with E_ABORTED. */
  close(): Promise<void>;
}

/**
 * What a consumer of a whole prefix sees (the Syncer makes it of list and watch, and of whatever goes wrong):
 * waiting - nothing is known yet or the datastore is away; resyncing - a snapshot is arriving; in-sync - complete, from
 * here on only changes. Updates repeat or merge, but always converge on the datastore's content.
 */
export type SyncStatus = 'waiting' | 'resyncing' | 'in-sync';

/** The consumer's side of a Syncer. Calls are synchronous and in order. */
export interface SyncSink {
  /** `reason` says, of `waiting`, why the datastore is away, once that is known; it may come anew with the status unchanged. */
  onStatus(status: SyncStatus, reason?: string): void;
  onUpdates(updates: readonly Update[]): void;
}
