/**
 * What we believe the datastore holds, key by key: the ground that plans are made on.
 *
 * Nothing here has to be fresh. Every write compares the revision of the entry it was planned on, so a stale belief
 * costs a conflict, never a wrong address; and a conflict brings the current entry with it, which is learnt at once. An
 * allocator of one call starts with an empty cache; the agent's keeps its node's entries and may be fed by a watch.
 */
import type {CallOptions, Entry, Revision, Store, Update} from '../datastore/store.ts';
import {type Block, decodeBlock} from '../model/ipam-records.ts';

/** A watch that is further behind costs a conflict. */
const MOST_REPLACED = 256;

export class EntryCache {
  readonly store: Store;
  /** Undefined as a value: known to be absent. */
  readonly #entries = new Map<string, Entry | undefined>();
  /** Revisions that we have seen replaced, per key: news of them are old news. */
  readonly #replaced = new Map<string, Revision[]>();
  readonly #decoded = new WeakMap<Entry, Block>();
  /** Prefixes of which every key is in the cache. */
  readonly #complete = new Set<string>();

  constructor(dependencies: {readonly store: Store}) {
    this.store = dependencies.store;
  }

  async get(key: string, options: CallOptions): Promise<Entry | undefined> {
    if (this.#entries.has(key)) return this.#entries.get(key);
    const entry = await this.store.get(key, options);
    this.#entries.set(key, entry);
    return entry;
  }

  /** Reads the key again, whatever is known. */
  async refresh(key: string, options: CallOptions): Promise<void> {
    this.learn(key, await this.store.get(key, options));
  }

  /** What is known of a key without asking; undefined when it is absent or nothing is known. */
  peek(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** All entries below a prefix, sorted by key; from memory once they have been listed. */
  async list(prefix: string, options: CallOptions): Promise<readonly Entry[]> {
    if (!this.#complete.has(prefix)) return this.relist(prefix, options);
    return [...this.#below(prefix)].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /** All entries below a prefix as they are now; afterwards `list` answers from memory. */
  async relist(prefix: string, options: CallOptions): Promise<readonly Entry[]> {
    const {entries} = await this.store.list(prefix, options);
    for (const key of this.#entries.keys()) if (key.startsWith(prefix)) this.#entries.delete(key);
    for (const entry of entries) this.#entries.set(entry.key, entry);
    this.#complete.add(prefix);
    return entries;
  }

  /** The record of a block's entry, decoded once per entry. Throws E_INVALID_RESOURCE or E_BAD_JSON. */
  decodedBlock(entry: Entry): Block {
    let block = this.#decoded.get(entry);
    if (block === undefined) {
      block = decodeBlock(entry.value);
      this.#decoded.set(entry, block);
    }
    return block;
  }

  /** Spares decoding an entry that we have encoded ourselves. */
  rememberBlock(key: string, block: Block): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#decoded.set(entry, block);
  }

  /** The key is now like this: from a commit of ours, or from the conflict of one. */
  learn(key: string, entry: Entry | undefined): void {
    const before = this.#entries.get(key);
    if (before !== undefined && before.revision !== entry?.revision) this.#noteReplaced(key, before.revision);
    this.#entries.set(key, entry);
  }

  /**
   * News from a watch. It runs behind our own commits: what we have seen replaced is not believed again, and what we
   * never asked for is not kept.
   */
  hear({key, value, revision}: Update): void {
    const isWanted = this.#entries.has(key) || [...this.#complete].some((prefix) => key.startsWith(prefix));
    if (!isWanted || this.#entries.get(key)?.revision === revision) return;
    if (this.#replaced.get(key)?.includes(revision) === true) return;
    this.learn(key, value === undefined ? undefined : {key, value, revision});
  }

  /** Nothing is known of this key any more. */
  forget(key: string): void {
    this.#replaced.delete(key);
    this.#entries.delete(key);
    for (const prefix of this.#complete) if (key.startsWith(prefix)) this.#complete.delete(prefix);
  }

  /** Keeps what `wanted` says yes to; what goes is read again when it is needed. */
  prune(wanted: (key: string, entry: Entry | undefined) => boolean): void {
    for (const [key, entry] of this.#entries) {
      if (wanted(key, entry)) continue;
      this.#replaced.delete(key);
      if (entry === undefined) this.#entries.delete(key);
      else this.forget(key);
    }
  }

  /** Nothing is known any more. */
  clear(): void {
    this.#entries.clear();
    this.#complete.clear();
  }

  #noteReplaced(key: string, revision: Revision): void {
    const revisions = this.#replaced.get(key) ?? [];
    revisions.push(revision);
    if (revisions.length > MOST_REPLACED) revisions.shift();
    this.#replaced.set(key, revisions);
  }

  *#below(prefix: string): Iterable<Entry> {
    for (const [key, entry] of this.#entries) if (entry !== undefined && key.startsWith(prefix)) yield entry;
  }
}
