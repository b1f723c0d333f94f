/**
 * Follows every change of IPAM's keys by a watch: each version of a block must obey the format, and its number must rise,
 * also over a deletion. At no moment, whoever dies, a block is somebody's without his claim on it, or a claim confirmed
 * without his block. Keeps the last versions of each key, for the report of a failure.
 */
import type {Store} from '../../../../src/datastore/store.ts';
import {BLOCKS, checkBlock, type RawEntry, readBlock} from './checker.ts';

const IPAM = '/calico/ipam/v2/';
const VERSIONS_KEPT = 16;

export interface Version {
  readonly revision: string;
  /** Undefined: deleted. */
  readonly value: string | undefined;
}

export class ChangeLog {
  readonly problems: string[] = [];
  readonly #versions = new Map<string, Version[]>();
  readonly #numbers = new Map<string, bigint>();
  /** CIDR -> `host:node1`. */
  readonly #owners = new Map<string, string>();
  /** `host:node1 CIDR` -> state. */
  readonly #claims = new Map<string, string>();
  readonly #stop = new AbortController();
  #changes = 0;
  #news = Promise.withResolvers<void>();
  #ended: Promise<void> = Promise.resolve();

  static async follow(store: Store): Promise<ChangeLog> {
    const log = new ChangeLog();
    const {cursor} = await store.list(IPAM);
    log.#ended = log.#follow(store, cursor);
    return log;
  }

  /** How many changes there were. */
  get changes(): number {
    return this.#changes;
  }

  /** All entries as they are now, when the watch has brought them. Nobody may write meanwhile. */
  async settled(store: Store): Promise<readonly RawEntry[]> {
    const {entries} = await store.list(IPAM);
    const isHere = () =>
      entries.every(({key, revision}) => this.#versions.get(key)?.at(-1)?.revision === revision) &&
      this.#living() === entries.length;
    while (!isHere()) await Promise.race([this.#news.promise, this.#ended]);
    return entries;
  }

  versions(key: string): readonly Version[] {
    return this.#versions.get(key) ?? [];
  }

  keys(): readonly string[] {
    return [...this.#versions.keys()];
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended.catch(() => undefined);
  }

  #living(): number {
    return [...this.#versions.values()].filter((versions) => versions.at(-1)?.value !== undefined).length;
  }

  async #follow(store: Store, cursor: string): Promise<void> {
    for await (const {updates} of store.watch([IPAM], cursor, {signal: this.#stop.signal})) {
      for (const {key, value, revision} of updates) this.#hear(key, {value, revision});
      this.#compareClaims(updates.at(-1)?.revision ?? '');
      this.#news.resolve();
      this.#news = Promise.withResolvers();
    }
  }

  /** What holds between blocks and claims at the end of every batch, which is a state that the store was in. */
  #compareClaims(revision: string): void {
    for (const [cidr, owner] of this.#owners)
      if (!this.#claims.has(`${owner} ${cidr}`))
        this.problems.push(`${cidr} of ${owner} is not claimed at revision ${revision}`);
    for (const [claim, state] of this.#claims) {
      const [owner = '', cidr = ''] = claim.split(' ');
      if (state === 'confirmed' && this.#owners.get(cidr) !== owner)
        this.problems.push(`${claim} is confirmed at revision ${revision}, the block is ${this.#owners.get(cidr)}'s`);
    }
  }

  #hear(key: string, version: Version): void {
    this.#changes++;
    const versions = this.#versions.get(key) ?? [];
    versions.push(version);
    if (versions.length > VERSIONS_KEPT) versions.shift();
    this.#versions.set(key, versions);
    const claim = claimOf(key);
    if (claim !== undefined) {
      if (version.value === undefined) this.#claims.delete(claim);
      else this.#claims.set(claim, (JSON.parse(version.value) as {state: string}).state);
    }
    if (!key.startsWith(BLOCKS)) return;
    const cidr = key.slice(key.lastIndexOf('/') + 1).replace(/-(\d+)$/, '/$1');
    this.#owners.delete(cidr);
    if (version.value === undefined) return;
    const block = readBlock(version.value);
    if (block.affinity !== null) this.#owners.set(cidr, block.affinity);
    this.problems.push(...checkBlock(block).map((problem) => `at revision ${version.revision}: ${problem}`));
    const number = BigInt(block.sequenceNumber);
    const before = this.#numbers.get(key);
    if (before !== undefined && number <= before)
      this.problems.push(`${block.cidr} went from number ${before} to ${number} at revision ${version.revision}`);
    this.#numbers.set(key, number);
  }
}

/** `host:node1 10.0.0.0/29` for the key of a claim. */
function claimOf(key: string): string | undefined {
  const [, host, cidr] = /^\/calico\/ipam\/v2\/host\/([^/]+)\/ipv[46]\/block\/(.+)$/.exec(key) ?? [];
  return host === undefined || cidr === undefined ? undefined : `host:${host} ${cidr.replace(/-(\d+)$/, '/$1')}`;
}
