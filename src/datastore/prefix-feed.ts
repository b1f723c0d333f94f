/**
 * Keeps one consumer in step with one prefix of a store: list, then watch, and again after whatever goes wrong.
 *
 *     session: list unless the cursor is still good -> watch stands: in-sync -> changes ... -> error -> pause -> session
 *
 * What has been delivered is remembered (key and revision, no values). So a listing after lost history delivers the
 * difference only, with a deletion for each key that has vanished, and what comes twice is delivered once.
 */
import {type Clock, sleep} from '../lib/clock.ts';
import {codeOf, messageChain} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {retryDelayMs} from '../lib/retry.ts';
import {createBreather} from '../lib/yielding.ts';
import type {Cursor, Listing, Revision, Store, SyncSink, Update} from './store.ts';

export interface FeedDependencies {
  readonly store: Pick<Store, 'list' | 'watch'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Hears of this prefix alone. */
  readonly sink: SyncSink;
  /** Number in [0, 1), for the pauses. */
  readonly random: () => number;
}

const PAUSES = {firstDelayMs: 100, maxDelayMs: 10_000};
/** A listing of a large cluster takes longer than other calls may. */
const LIST_DEADLINE_MS = 60_000;
/** The consumer is never handed more at once: reading an object takes it up to 0.3 ms while the code is cold. */
const UPDATES_PER_DELIVERY = 64;

export class PrefixFeed {
  readonly #prefix: string;
  readonly #dependencies: FeedDependencies;
  readonly #delivered = new Map<string, Revision>();
  /** Where the watch goes on; undefined when a listing is due. */
  #cursor: Cursor | undefined;
  /** Sessions in a row that ended before their watch stood. */
  #failures = 0;

  constructor(options: {readonly prefix: string}, dependencies: FeedDependencies) {
    this.#prefix = options.prefix;
    this.#dependencies = dependencies;
  }

  /** Runs until the signal aborts or the store is closed. Rejects with defects only. */
  async run(signal: AbortSignal): Promise<void> {
    const {clock, random} = this.#dependencies;
    for (;;) {
      const error = await this.#session(signal).catch((reason: unknown) => reason);
      if (signal.aborted) return;
      if (codeOf(error) === undefined) throw error;
      this.#failures++;
      this.#report(error);
      if (codeOf(error) === 'E_ABORTED') return;
      try {
        await sleep(clock, retryDelayMs(this.#failures, PAUSES, random), signal);
      } catch {
        return;
      }
    }
  }

  /** Brings the consumer in step and keeps it so; ends by rejecting. */
  async #session(signal: AbortSignal): Promise<never> {
    const {store, log, sink} = this.#dependencies;
    const options = {signal, deadlineMs: LIST_DEADLINE_MS};
    this.#cursor ??= await this.#takeOver(await store.list(this.#prefix, options), signal);
    for await (const batch of store.watch([this.#prefix], this.#cursor, {signal})) {
      await this.#deliver(batch.updates, signal);
      this.#cursor = batch.cursor;
      if (this.#failures > 0) log.info({prefix: this.#prefix, failures: this.#failures}, 'datastore in step again');
      this.#failures = 0;
      sink.onStatus('in-sync');
    }
    throw new Error('a watch ended without an error');
  }

  /** Delivers what a listing has that the consumer has not, and the reverse. */
  async #takeOver({entries, cursor}: Listing, signal: AbortSignal): Promise<Cursor> {
    const {clock, sink} = this.#dependencies;
    sink.onStatus('resyncing');
    const vanished = new Map(this.#delivered);
    await this.#deliver(entries, signal);
    const breather = createBreather({}, {clock});
    // Nothing was known at the start, and nothing can have vanished.
    for (const {key} of vanished.size === 0 ? [] : entries) {
      vanished.delete(key);
      if (breather.isDue()) await breather.breathe(signal);
    }
    const deletions = Array.from(vanished, ([key, revision]): Update => ({key, value: undefined, revision}));
    await this.#deliver(deletions, signal);
    return cursor;
  }

  /** Hands over what is news, in portions, and lets the event loop breathe between them. */
  async #deliver(updates: readonly Update[], signal: AbortSignal): Promise<void> {
    const {clock, sink} = this.#dependencies;
    const breather = createBreather({}, {clock});
    let portion: Update[] = [];
    const flush = () => {
      if (portion.length > 0) sink.onUpdates(portion);
      portion = [];
    };
    for (const update of updates) {
      if (!this.#isNews(update)) continue;
      if (update.value === undefined) this.#delivered.delete(update.key);
      else this.#delivered.set(update.key, update.revision);
      portion.push(update);
      if (portion.length < UPDATES_PER_DELIVERY && !breather.isDue()) continue;
      flush();
      await breather.breathe(signal);
    }
    flush();
  }

  #isNews({key, value, revision}: Update): boolean {
    const delivered = this.#delivered.get(key);
    return value === undefined ? delivered !== undefined : delivered !== revision;
  }

  /** The first failure is logged, repeats only count. */
  #report(error: unknown): void {
    const {log, sink} = this.#dependencies;
    const code = codeOf(error);
    const reason = messageChain(error);
    if (code === 'E_CURSOR_LOST') {
      this.#cursor = undefined;
      sink.onStatus('resyncing');
    } else {
      sink.onStatus('waiting', reason);
    }
    if (this.#failures > 1) return;
    log.warn({prefix: this.#prefix, code, reason}, 'datastore out of step');
  }
}
