/**
 * The embedded store, seen from the caller's thread: a folder on this machine that several processes share.
 *
 * Everything that touches the disk happens in a thread of its own; this side only pairs requests with replies, keeps
 * deadlines, and never holds the event loop. A commit that was answered is on disk, whatever happens afterwards.
 *
 * An open store keeps the process alive, as an open connection does: close it.
 */
import {Worker} from 'node:worker_threads';
import type {Clock} from '../../lib/clock.ts';
import {AgentError} from '../../lib/errors.ts';
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
import {type Followup, type Reply, type Request, receiveError} from './protocol.ts';

export interface EmbeddedStoreOptions {
  /** Made when absent, with its parents. */
  readonly folder: string;
  /** How many changes a watch may be behind before it must list again; default 100,000. */
  readonly historyLimit?: number | undefined;
  /** How often changes of other processes are looked for although none was announced; default 1 s. */
  readonly slowLookMs?: number | undefined;
  /** Time limit of calls that name none, in milliseconds; default 10 s. */
  readonly deadlineMs?: number | undefined;
}

export interface EmbeddedStoreDependencies {
  readonly clock: Clock;
  readonly log: Logger;
}

const DEFAULT_HISTORY_LIMIT = 100_000;
const DEFAULT_SLOW_LOOK_MS = 1000;
const DEFAULT_DEADLINE_MS = 10_000;
const MAX_OPS = 4096;

/** A call that waits for its reply. */
interface Call {
  /** Takes a reply; true when it was the last one. */
  onReply(reply: Reply): boolean;
  fail(error: unknown): void;
  /** Lets go of timer and signal. */
  release(): void;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;
type RequestBody = WithoutId<Exclude<Request, Followup>>;

export class EmbeddedStore implements Store {
  readonly capabilities: StoreCapabilities = {atomicAcrossKeys: true, maxOps: MAX_OPS, writableKinds: undefined};

  readonly #deadlineMs: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  readonly #calls = new Map<number, Call>();
  #lastId = 0;
  /** Why no call is taken any more. */
  #ended: Error | undefined;

  private constructor(options: EmbeddedStoreOptions, dependencies: EmbeddedStoreDependencies) {
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.#clock = dependencies.clock;
    this.#log = dependencies.log;
    this.#worker = startWorker();
    this.#worker.on('message', (reply: Reply) => this.#receive(reply));
    this.#worker.on('error', (error) => {
      this.#end(new Error('the thread of the datastore failed', {cause: error}));
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#end(closed());
        resolve();
      });
    });
  }

  /**
   * Opens the store in `options.folder`, creating it when absent. Rejects with E_STORE_UNSAFE, E_STORE_READ_ONLY,
   * E_STORE_FULL, E_STORE_CORRUPT, E_STORE_IO, or E_UNSUPPORTED when a newer program wrote it.
   */
  static async open(
    options: EmbeddedStoreOptions,
    dependencies: EmbeddedStoreDependencies,
    callOptions: CallOptions = {},
  ): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(options, dependencies);
    const {folder, historyLimit = DEFAULT_HISTORY_LIMIT, slowLookMs = DEFAULT_SLOW_LOOK_MS} = options;
    try {
      await store.#call('opened', {kind: 'open', folder, historyLimit, slowLookMs}, callOptions);
      return store;
    } catch (error) {
      await store.#worker.terminate();
      throw error;
    }
  }

  async get(key: string, options: CallOptions = {}): Promise<Entry | undefined> {
    const reply = await this.#call('entry', {kind: 'get', key: key.toWellFormed()}, options);
    return reply.entry;
  }

  list(prefix: string, options: CallOptions = {}): Promise<Listing> {
    const entries: Entry[] = [];
    return this.#send<Listing>({kind: 'list', prefix: prefix.toWellFormed()}, options, (reply, id) => {
      if (reply.kind !== 'page') return undefined;
      const {page} = reply;
      if (!page.isLast) this.#post({kind: 'more', id});
      for (const entry of page.entries) entries.push(entry);
      return page.isLast ? {entries, cursor: page.cursor} : undefined;
    });
  }

  async commit(operations: readonly Operation[], options: CallOptions = {}): Promise<CommitResult> {
    const wellFormed = operations.map((operation) => ({...operation, key: operation.key.toWellFormed()}));
    assertCommit(wellFormed, MAX_OPS);
    const reply = await this.#call('committed', {kind: 'commit', operations: wellFormed}, options);
    return reply.result;
  }

  async *watch(
    prefixes: readonly string[],
    cursor: Cursor,
    options: {readonly signal: AbortSignal},
  ): AsyncGenerator<WatchBatch, never, void> {
    const wellFormed = prefixes.map((prefix) => prefix.toWellFormed());
    const callOptions = {signal: options.signal, deadlineMs: Infinity};
    for (let position = cursor, isFirst = true; ; isFirst = false) {
      const request = {kind: 'poll', prefixes: wellFormed, cursor: position, waits: !isFirst} as const;
      const {batch} = await this.#call('changed', request, callOptions);
      position = batch.cursor;
      yield batch;
    }
  }

  /** Answers the commits and gets that were asked for, ends watches and listings, and lets go of the folder. */
  async close(): Promise<void> {
    if (this.#ended === undefined) {
      this.#ended = closed();
      this.#post({kind: 'close'});
    }
    await this.#exited;
  }

  async #call<K extends Reply['kind']>(
    kind: K,
    request: RequestBody,
    options: CallOptions,
  ): Promise<Extract<Reply, {kind: K}>> {
    return this.#send(request, options, (reply) => (isKind(reply, kind) ? reply : undefined));
  }

  /** Sends a request and waits until `collect` makes the result of the replies. */
  #send<T>(
    request: RequestBody,
    options: CallOptions,
    collect: (reply: Reply, id: number) => T | undefined,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended);
      const {signal} = options;
      if (signal?.aborted) return reject(aborted(signal));
      const id = ++this.#lastId;
      const giveUp = (error: AgentError) => {
        this.#post({kind: 'cancel', id});
        const call = this.#calls.get(id);
        if (call !== undefined) this.#finish(id, call).fail(error);
      };
      const deadlineMs = options.deadlineMs ?? this.#deadlineMs;
      const cancelDeadline = Number.isFinite(deadlineMs)
        ? this.#clock.schedule(deadlineMs, () => giveUp(late(request.kind, deadlineMs)))
        : () => {};
      const onAbort = () => giveUp(aborted(signal));
      signal?.addEventListener('abort', onAbort, {once: true});
      this.#calls.set(id, {
        onReply: (reply) => {
          const result = collect(reply, id);
          if (result === undefined) return false;
          resolve(result);
          return true;
        },
        fail: reject,
        release: () => {
          cancelDeadline();
          signal?.removeEventListener('abort', onAbort);
        },
      });
      this.#post({...request, id});
    });
  }

  #receive(reply: Reply): void {
    if (reply.kind === 'deaf') {
      this.#log.warn({reason: reply.reason}, 'changes by other processes are seen late');
      return;
    }
    // No call: it was given up, and this reply was under way.
    const call = this.#calls.get(reply.id);
    if (call === undefined) return;
    if (reply.kind === 'failed') this.#finish(reply.id, call).fail(receiveError(reply.error));
    else if (call.onReply(reply)) this.#finish(reply.id, call);
  }

  #finish(id: number, call: Call): Call {
    this.#calls.delete(id);
    call.release();
    return call;
  }

  /** Fails what waits and what will be asked. */
  #end(error: Error): void {
    this.#ended ??= error;
    for (const [id, call] of this.#calls) this.#finish(id, call).fail(error);
  }

  #post(request: Request): void {
    this.#worker.postMessage(request);
  }
}

function startWorker(): Worker {
  // Emitted code has no .ts files; import specifiers are rewritten by the compiler, this URL is not.
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  // The options of the process are not for this thread: a loader there would only slow its start.
  return new Worker(new URL(file, import.meta.url), {execArgv: [], env: {}, name: 'datastore'});
}

function isKind<K extends Reply['kind']>(reply: Reply, kind: K): reply is Extract<Reply, {kind: K}> {
  return reply.kind === kind;
}

const closed = () => new AgentError('E_ABORTED', 'the datastore is closed');

const aborted = (signal: AbortSignal | undefined) =>
  new AgentError('E_ABORTED', 'the call was given up by its caller', {}, signal?.reason);

const late = (kind: string, deadlineMs: number) =>
  new AgentError('E_DEADLINE', `the datastore did not finish a ${kind} within ${deadlineMs} ms`, {deadlineMs});
