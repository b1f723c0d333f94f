/**
 * The agent's allocator: one node, its own blocks in memory, and requests that wait while a commit is under way go
 * together into the next one. N pods that start together cost a few transactions instead of N races.
 *
 * Promises:
 * - Requests are served in their order; one that cannot be served fails alone.
 * - A request is served whole or not at all: no family is left to be given back.
 * - A request that was given up (signal, deadline) after its addresses were committed is undone; so is one whose commit
 *   had an unknown outcome and whose caller could not be told, as soon as the datastore answers again. Undoing compares
 *   address, handle and sequence number, so it never meets a later request of the same pod.
 *
 * The memory is a belief, kept right by the conflicts of commits and, if fed, by a watch (it is a SyncSink).
 */
import type {CallOptions, Store, SyncSink, SyncStatus, Update} from '../datastore/store.ts';
import type {Clock} from '../lib/clock.ts';
import {AgentError, codeOf} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import type {StageQueue, StageRecorder} from '../lib/metrics.ts';
import {affinityPrefix, BLOCKS_PREFIX} from '../model/keys.ts';
import type {Allocation} from './block.ts';
import {EntryCache} from './entry-cache.ts';
import {affinityOf, type BlockHolder, nodeHolder, requireHost} from './holder.ts';
import {
  type Asked,
  type AssignRequest,
  ask,
  askToRelease,
  type ExactAssignRequest,
  planAssign,
  planExact,
  planHandleRelease,
  planReleases,
  type ReleaseRequest,
} from './jobs.ts';
import type {ReleasePlan} from './plan-release.ts';
import type {RulesSource} from './rules.ts';
import {type Job, planUndo, Transactor} from './transactor.ts';

export interface NodeAllocatorOptions {
  readonly node: string;
  /** Keys in one transaction at most; default 120, and never more than the store takes. */
  readonly maxOps?: number | undefined;
  /** Time limit of one call of the store, in milliseconds; the store's own when absent. */
  readonly storeDeadlineMs?: number | undefined;
}

export interface NodeAllocatorDependencies {
  readonly store: Store;
  readonly rules: RulesSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly recorder?: StageRecorder | undefined;
}

/** Addresses of a pod, in the order IPv4, IPv6. */
export type NodeAssignment = readonly Allocation[];

interface Waiting {
  readonly job: Job;
  readonly sinceMs: number;
  /** Ends the wait of the caller. */
  leave(error: AgentError): void;
}

/** How long owed releases wait when no request comes by. */
const OWED_RETRY_MS = 5_000;

export class NodeAllocator implements SyncSink, StageQueue {
  readonly #holder: BlockHolder;
  readonly #cache: EntryCache;
  readonly #transactor: Transactor;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #recorder: StageRecorder | undefined;
  readonly #call: CallOptions;
  readonly #queue: Waiting[] = [];
  #isClosed = false;
  /** Addresses that nobody waits for any more, or that a lost commit may have taken. */
  #owed: Allocation[] = [];
  #cancelOwedRetry: (() => void) | undefined;
  #serving: Promise<void> | undefined;

  constructor(options: NodeAllocatorOptions, dependencies: NodeAllocatorDependencies) {
    const {store, rules, clock, log, recorder} = dependencies;
    this.#holder = nodeHolder(requireHost(options.node));
    this.#cache = new EntryCache({store});
    this.#transactor = new Transactor({maxOps: options.maxOps}, {store, cache: this.#cache, rules, clock, log});
    this.#clock = clock;
    this.#log = log;
    this.#recorder = recorder;
    this.#call = {deadlineMs: options.storeDeadlineMs};
  }

  /** Addresses for a pod of this node: as many as asked for, or an error (E_IPAM_*, E_NOT_FOUND without a Node). */
  async assign(request: AssignRequest, options: CallOptions = {}): Promise<NodeAssignment> {
    const planner = planAssign(this.#holder, request, {whole: true});
    const {ipv4, ipv6} = await this.#submit(
      ask(planner, (unsettled) => this.#owe(unsettled)),
      options,
      (result) => [...result.ipv4.allocations, ...result.ipv6.allocations],
    );
    return [...ipv4.allocations, ...ipv6.allocations];
  }

  /** One given address. Fails with E_IPAM_NOT_IN_POOL, E_IPAM_TAKEN or E_IPAM_STRICT. */
  assignIp(request: ExactAssignRequest, options: CallOptions = {}): Promise<Allocation> {
    const asked = ask(planExact(this.#holder, request), (unsettled) => this.#owe(unsettled));
    return this.#submit(asked, options, (allocation) => [allocation]);
  }

  /** Releases all addresses of a handle; resolves to them, and to none when there is no such handle. */
  async releaseByHandle(handleId: string, options: CallOptions = {}): Promise<readonly Allocation[]> {
    // Only this queue assigns to the handles of this node's pods, so what a handle counts too much can go as well.
    const asked = askToRelease(planHandleRelease(handleId, {whole: true}));
    return (await this.#submit(asked, options, () => [])) ?? [];
  }

  /** Releases addresses; those of somebody else are reported as conflicts and stay. */
  releaseIps(requests: readonly ReleaseRequest[], options: CallOptions = {}): Promise<ReleasePlan> {
    return this.#submit(askToRelease(planReleases(requests)), options, () => []);
  }

  /** Ends waiting requests with E_ABORTED; resolves when the commit under way is done. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelOwedRetry?.();
    for (const waiting of this.#queue.splice(0)) waiting.leave(closed());
    await this.#serving;
  }

  queueDepth(): number {
    return this.#queue.length;
  }

  oldestPendingMs(): number {
    const oldest = this.#queue[0];
    return oldest === undefined ? 0 : this.#clock.monotonicMs() - oldest.sinceMs;
  }

  onStatus(_status: SyncStatus): void {
    // Beliefs need no status: what a watch missed, a conflict tells.
  }

  onUpdates(updates: readonly Update[]): void {
    for (const update of updates) this.#cache.hear(update);
  }

  /** Queues a job and waits for it, for as long as the caller wants to. */
  async #submit<T>(asked: Asked<T>, options: CallOptions, taken: (value: T) => readonly Allocation[]): Promise<T> {
    const {signal, deadlineMs} = options;
    if (this.#isClosed) throw closed();
    if (signal?.aborted) throw givenUp(signal);
    const {promise, resolve, reject} = Promise.withResolvers<T>();
    // One place decides whether the caller gets the result or has gone: addresses have exactly one fate.
    let state: 'waiting' | 'answered' | 'gone' = 'waiting';
    const waiting: Waiting = {
      job: asked.job,
      sinceMs: this.#clock.monotonicMs(),
      leave: (error) => {
        if (state !== 'waiting') return;
        state = 'gone';
        const place = this.#queue.indexOf(waiting);
        if (place >= 0) this.#queue.splice(place, 1);
        reject(error);
      },
    };
    asked.result.then(
      (value) => {
        if (state === 'gone') return this.#owe(taken(value));
        state = 'answered';
        resolve(value);
      },
      (error: unknown) => {
        this.#recorder?.failed(codeOf(error));
        if (state === 'waiting') state = 'answered';
        reject(error);
      },
    );
    const onAbort = (): void => waiting.leave(givenUp(signal));
    signal?.addEventListener('abort', onAbort, {once: true});
    const cancelDeadline =
      deadlineMs === undefined ? () => {} : this.#clock.schedule(deadlineMs, () => waiting.leave(late(deadlineMs)));
    this.#queue.push(waiting);
    this.#serve();
    try {
      return await promise;
    } finally {
      cancelDeadline();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #serve(): void {
    this.#serving ??= this.#serveAll();
  }

  async #serveAll(): Promise<void> {
    try {
      // Requests that are made in one turn of the event loop share the first commit already.
      await Promise.resolve();
      while (this.#queue.length > 0 || this.#owed.length > 0) {
        const isUndone = await this.#serveBatch();
        if (!isUndone && this.#queue.length === 0) return this.#retryOwedLater();
      }
    } finally {
      // In the same turn as the last look at the queue, so that nobody is left waiting in it.
      this.#serving = undefined;
    }
  }

  /** Serves everything that waits. False when what is owed could not be given back. */
  async #serveBatch(): Promise<boolean> {
    const startMs = this.#clock.monotonicMs();
    const batch = this.#queue.splice(0).map(({job}) => job);
    let isUndone = true;
    const owed = this.#owed;
    this.#owed = [];
    const undo = this.#undoJob(owed, () => {
      isUndone = false;
    });
    await this.#transactor.run(owed.length === 0 ? batch : [undo, ...batch], this.#holder.host, this.#call);
    this.#cache.prune((key, entry) => this.#isOurs(key, entry?.value));
    this.#recorder?.ran(this.#clock.monotonicMs() - startMs);
    return isUndone;
  }

  #undoJob(owed: readonly Allocation[], onFailure: () => void): Job {
    return {
      isAllocating: false,
      plan: async (draft, rules) => {
        await planUndo(draft, rules, owed);
        const succeed = () =>
          this.#log.info({addresses: owed.length}, 'addresses that nobody waited for are free again');
        return {taken: [], freed: [], undone: owed, succeed};
      },
      fail: () => {
        this.#owed.push(...owed);
        onFailure();
      },
    };
  }

  #owe(allocations: readonly Allocation[]): void {
    this.#owed.push(...allocations);
    if (allocations.length > 0 && !this.#isClosed) this.#serve();
  }

  #retryOwedLater(): void {
    this.#cancelOwedRetry?.();
    if (!this.#isClosed) this.#cancelOwedRetry = this.#clock.schedule(OWED_RETRY_MS, () => this.#serve());
  }

  /** What is worth remembering between batches: this node's claims and blocks. */
  #isOurs(key: string, value: string | undefined): boolean {
    const {host, type} = this.#holder;
    if (key.startsWith(affinityPrefix(host, 4, type)) || key.startsWith(affinityPrefix(host, 6, type))) return true;
    return key.startsWith(BLOCKS_PREFIX) && value?.includes(`"affinity":"${affinityOf(this.#holder)}"`) === true;
  }
}

const closed = (): AgentError => new AgentError('E_ABORTED', 'the agent stops', {});
const givenUp = (signal: AbortSignal | undefined): AgentError =>
  new AgentError('E_ABORTED', 'the caller gave up', {}, signal?.reason);
const late = (deadlineMs: number): AgentError =>
  new AgentError('E_DEADLINE', 'IPAM did not answer within the time limit', {deadlineMs});
