/**
 * One stream of updates and one status out of any store: the consumer's only view of the datastore.
 *
 * Each prefix has a feed of its own, because a cursor belongs to what was listed (the Kubernetes API has one per kind).
 * The status is that of the feed that is furthest behind: in-sync is said only when every prefix has been delivered
 * completely.
 */
import type {Clock} from '../lib/clock.ts';
import type {Logger} from '../lib/log.ts';
import {PrefixFeed} from './prefix-feed.ts';
import type {Store, SyncSink, SyncStatus} from './store.ts';

export interface SyncerOptions {
  /** None of them the beginning of another. */
  readonly prefixes: readonly string[];
}

export interface SyncerDependencies {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called synchronously; an error it throws is a defect and ends the process. */
  readonly sink: SyncSink;
  /** Number in [0, 1), for the pauses between attempts; default Math.random. */
  readonly random?: (() => number) | undefined;
}

interface FeedState {
  readonly status: SyncStatus;
  readonly reason: string | undefined;
}

/** Furthest behind first. */
const PROGRESS: readonly SyncStatus[] = ['waiting', 'resyncing', 'in-sync'];

export class Syncer {
  readonly #prefixes: readonly string[];
  readonly #dependencies: SyncerDependencies;
  readonly #states = new Map<string, FeedState>();
  readonly #abort = new AbortController();
  #running: Promise<unknown> | undefined;
  /** What the sink was told last. */
  #told: FeedState | undefined;

  constructor(options: SyncerOptions, dependencies: SyncerDependencies) {
    this.#prefixes = options.prefixes;
    this.#dependencies = dependencies;
  }

  /** Begins with the status waiting; whatever goes wrong with the datastore from here on is retried. */
  start(): void {
    if (this.#running !== undefined) throw new Error('the syncer was started before');
    for (const prefix of this.#prefixes) this.#states.set(prefix, {status: 'waiting', reason: undefined});
    this.#publish();
    this.#running = Promise.all(this.#prefixes.map((prefix) => this.#feed(prefix).run(this.#abort.signal)));
  }

  /** The sink hears nothing more, from now on; resolves when all calls to the store have ended. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  #feed(prefix: string): PrefixFeed {
    const {store, clock, log, sink, random = Math.random} = this.#dependencies;
    const {signal} = this.#abort;
    return new PrefixFeed(
      {prefix},
      {
        store,
        clock,
        log,
        random,
        sink: {
          onStatus: (status, reason) => {
            this.#states.set(prefix, {status, reason});
            if (!signal.aborted) this.#publish();
          },
          onUpdates: (updates) => {
            if (!signal.aborted) sink.onUpdates(updates);
          },
        },
      },
    );
  }

  #publish(): void {
    const states = [...this.#states.values()];
    const status = PROGRESS.find((step) => states.some((state) => state.status === step)) ?? 'in-sync';
    const reason = states.find((state) => state.status === status && state.reason !== undefined)?.reason;
    if (status === this.#told?.status && reason === this.#told.reason) return;
    this.#told = {status, reason};
    this.#dependencies.sink.onStatus(status, reason);
  }
}
