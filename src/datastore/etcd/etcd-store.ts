/**
 * etcd v3 as a Store, with exactly Calico's keys and values. A revision is the key's mod_revision, a cursor the revision
 * of the whole key space; a commit is one transaction.
 *
 * Opening contacts nobody: settings that cannot be right are refused, and an etcd that is away is reported by the calls.
 * The promise on top of that: every call ends by its deadline, a watch stands or ends within a bounded time, and after
 * `close` nothing is left that runs.
 */
import type {Clock} from '../../lib/clock.ts';
import type {Logger} from '../../lib/log.ts';
import {assertCommit} from '../precondition.ts';
import type {
  CallOptions,
  CommitResult,
  Cursor,
  Entry,
  Listing,
  Operation,
  Store,
  StoreCapabilities,
  WatchBatch,
} from '../store.ts';
import {EtcdClient} from './client.ts';
import {type ResolveSrv, systemResolveSrv} from './discovery.ts';
import {History} from './history.ts';
import {entryOf, keyBytes} from './key-bytes.ts';
import {Calls} from './limits.ts';
import {listPages} from './lister.ts';
import {decodeRange, decodeTxn, encodeRange, encodeTxn} from './messages.ts';
import type {EtcdSettings} from './settings.ts';
import {resultOf, transactionOf} from './transaction.ts';
import {batchesOf, openWatch} from './watcher.ts';

export interface EtcdStoreOptions {
  readonly settings: EtcdSettings;
  /** Time limit of calls that name none, and for a watch to stand, in milliseconds; default 10 s. */
  readonly deadlineMs?: number | undefined;
  /** Time for one endpoint to be connected to; default 3 s. */
  readonly dialMs?: number | undefined;
  /** Silence on a connection in use after which a sign of life is asked for; default 10 s. etcd forbids less than 5 s. */
  readonly idleMs?: number | undefined;
  /** Time for that sign to come; default 5 s. */
  readonly answerMs?: number | undefined;
}

export interface EtcdStoreDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: the resolver of the system. */
  readonly resolveSrv?: ResolveSrv | undefined;
  /** Number in [0, 1), for the choice of the first endpoint and for pauses; default Math.random. */
  readonly random?: (() => number) | undefined;
}

/** etcd's own default for operations in a transaction. */
const MAX_OPS = 128;
const DEFAULTS = {deadlineMs: 10_000, dialMs: 3000, idleMs: 10_000, answerMs: 5000} as const;

export class EtcdStore implements Store {
  readonly capabilities: StoreCapabilities = {atomicAcrossKeys: true, maxOps: MAX_OPS, writableKinds: undefined};

  readonly #client: EtcdClient;
  readonly #calls: Calls;
  readonly #history = new History();

  constructor(options: EtcdStoreOptions, dependencies: EtcdStoreDependencies) {
    const {settings, deadlineMs, dialMs, idleMs, answerMs} = options;
    const {clock, log, resolveSrv = systemResolveSrv, random = Math.random} = dependencies;
    this.#calls = new Calls({deadlineMs: deadlineMs ?? DEFAULTS.deadlineMs}, {clock});
    this.#client = new EtcdClient(
      {
        settings,
        dialMs: dialMs ?? DEFAULTS.dialMs,
        idleMs: idleMs ?? DEFAULTS.idleMs,
        answerMs: answerMs ?? DEFAULTS.answerMs,
      },
      {clock, log, resolveSrv, random},
    );
  }

  async get(key: string, options: CallOptions = {}): Promise<Entry | undefined> {
    // etcd knows no empty key, and refuses to look for it.
    const bytes = keyBytes(key === '' ? '\0' : key);
    const message = encodeRange({key: bytes});
    const {kvs} = await this.#run('get', options, (signal, deadlineMs) =>
      this.#client.call({
        method: '/etcdserverpb.KV/Range',
        message,
        decode: decodeRange,
        isRead: true,
        signal,
        deadlineMs,
      }),
    );
    const [kv] = kvs;
    return kv === undefined || key === '' ? undefined : entryOf(kv);
  }

  list(prefix: string, options: CallOptions = {}): Promise<Listing> {
    return this.#run('list', options, (signal, deadlineMs) =>
      listPages(prefix.toWellFormed(), {signal, deadlineMs}, {client: this.#client, history: this.#history}),
    );
  }

  async commit(operations: readonly Operation[], options: CallOptions = {}): Promise<CommitResult> {
    const wellFormed = operations.map((operation) => ({...operation, key: operation.key.toWellFormed()}));
    assertCommit(wellFormed, MAX_OPS);
    const message = encodeTxn(transactionOf(wellFormed));
    const response = await this.#run('commit', options, (signal, deadlineMs) =>
      this.#client.call({
        method: '/etcdserverpb.KV/Txn',
        message,
        decode: decodeTxn,
        isRead: false,
        signal,
        deadlineMs,
      }),
    );
    return resultOf(wellFormed, response);
  }

  async *watch(
    prefixes: readonly string[],
    cursor: Cursor,
    options: {readonly signal: AbortSignal},
  ): AsyncGenerator<WatchBatch, never, void> {
    const life = this.#calls.begin(options.signal);
    const wellFormed = prefixes.map((prefix) => prefix.toWellFormed());
    try {
      const watch = await this.#run('watch', {signal: life.signal}, (signal, deadlineMs) => {
        const limits = {lifeSignal: life.signal, signal, deadlineMs};
        return openWatch({prefixes: wellFormed, cursor}, limits, {client: this.#client, history: this.#history});
      });
      yield* batchesOf(watch, this.#history);
      throw new Error('a watch ended without an error');
    } finally {
      life.end(new Error('the watch is over'));
      life.release();
    }
  }

  /** Ends every call and connection at once; what was acknowledged stays. */
  async close(): Promise<void> {
    this.#client.close(this.#calls.end());
  }

  #run<T>(
    what: string,
    options: CallOptions,
    task: (signal: AbortSignal, deadlineMs: number) => Promise<T>,
  ): Promise<T> {
    return this.#calls.run({...options, what, activity: () => this.#client.activity}, task);
  }
}
